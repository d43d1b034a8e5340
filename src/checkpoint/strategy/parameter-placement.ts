/** Which part of a parameter each device of a stage holds, by its layout. */
import { type ParameterLayout, stageDevices } from '../../formats/index.js';

/** Of one device. */
export interface PartPlace {
  /** Index of its slice along each dimension. */
  readonly slice: readonly number[];
  /** Which part of the slice's rows it holds, of `optimizerShards`. */
  readonly share: number;
}

export interface ParameterPlacement {
  /** Slices along each dimension. */
  readonly slices: readonly number[];
  /** Parts of each slice's rows; 1: it is not shared. */
  readonly shares: number;
  /** By the number of the device in its stage. */
  readonly places: readonly PartPlace[];
}

/**
 * @param dims of the parameter
 * @returns what is wrong with the layout as a text instead, for a message
 */
export function placeParameter(layout: ParameterLayout, dims: number): ParameterPlacement | string {
  const { deviceMatrix, optimizerShards, optimizerStep } = layout;
  const tensorMap = mapOf(layout, dims);
  if (tensorMap === undefined) return `is of ${layout.tensorMap.length} dimensions, the tensor of ${dims}`;
  const sizeOf = (axis: number): number => deviceMatrix[deviceMatrix.length - 1 - axis] ?? 1;
  const used = new Set(tensorMap.flat());
  const repeated = deviceMatrix
    .map((_, place) => deviceMatrix.length - 1 - place)
    .filter((axis) => !used.has(axis) && sizeOf(axis) > 1);
  const copies = repeated.reduce((product, axis) => product * sizeOf(axis), 1);
  const isShared = optimizerStep !== 0 && optimizerShards !== 0;
  const shares = isShared ? (optimizerShards === -1 ? copies : optimizerShards) : 1;
  if (copies % shares !== 0) return `shares rows over ${shares} devices, and ${copies} have the same`;
  const strideOf = (axis: number): number =>
    deviceMatrix.slice(deviceMatrix.length - axis).reduce((product, size) => product * size, 1);
  const [only] = repeated;
  const isOneAxis = repeated.length === 1 && only !== undefined;
  if (isOneAxis && shares > 1 && optimizerStep !== strideOf(only) && optimizerStep !== -1)
    return `shares rows with every ${optimizerStep}th device, and every ${strideOf(only)}th has the same`;
  const coordinate = (device: number, axis: number): number =>
    Math.floor(device / strideOf(axis)) % sizeOf(axis);
  const mixed = (device: number, axes: readonly number[]): number =>
    axes.reduce((index, axis) => index * sizeOf(axis) + coordinate(device, axis), 0);
  // Where all devices have the same, neighbours in a group are `optimizerStep` apart; else the innermost copies share.
  const isEverywhere = used.size === 0 && optimizerStep > 1 && copies % (optimizerStep * shares) === 0;
  const shareOf = (device: number): number =>
    (isEverywhere ? Math.floor(device / optimizerStep) : mixed(device, repeated)) % shares;
  return {
    slices: tensorMap.map((axes) => axes.reduce((product, axis) => product * sizeOf(axis), 1)),
    shares,
    places: Array.from({ length: stageDevices(layout) }, (_, device) => ({
      slice: tensorMap.map((axes) => mixed(device, axes)),
      share: shareOf(device),
    })),
  };
}

/** A flat list may be of a vector that several axes cut; a scalar has none. */
function mapOf({ tensorMap }: ParameterLayout, dims: number): readonly (readonly number[])[] | undefined {
  if (tensorMap.length === dims) return tensorMap;
  if (dims === 1) return [tensorMap.flat()];
  const isUncut = tensorMap.flat().length === 0;
  return isUncut ? Array.from({ length: dims }, () => []) : undefined;
}
