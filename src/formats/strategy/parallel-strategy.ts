/**
 * What a strategy file of MindSpore says: how every parameter of a training is laid out over the devices of its pipeline stage
 * (mindspore/ccsrc/utils/node_strategy.proto, ParallelStrategyMap).
 */

/** How one parameter lies over the devices of a stage. */
export interface ParameterLayout {
  /** Sizes of the axes of the devices, the slowest first: the number of a device in its stage, in mixed radix. */
  readonly deviceMatrix: readonly number[];
  /**
   * For each dimension the axes that cut it, the slowest first, counted from the last axis of the device matrix (0); none: it is not
   * cut. Of a vector that several axes cut, one entry for each of these: the file does not tell the two apart.
   */
  readonly tensorMap: readonly (readonly number[])[];
  /** Rows of each slice where they differ in number; empty: all alike. */
  readonly sliceRows: readonly number[];
  /** Into so many parts the rows of a device's slice are shared once more, over devices that have the same; 0 or 1: not at all, -1: over all of them. */
  readonly optimizerShards: number;
  /** Devices from one of these parts to the next. */
  readonly optimizerStep: number;
}

export interface ParallelStrategy {
  readonly path: string;
  /** By number of the pipeline stage: its parameters by name. */
  readonly stages: ReadonlyMap<number, ReadonlyMap<string, ParameterLayout>>;
}

/** Numbers of the fields. */
export const STRATEGY_FIELDS = {
  map: { currentStage: 1, strategyItem: 2, layoutItem: 3 },
  strategyItem: { nodeName: 1, strategies: 2 },
  strategies: { stage: 1, strategy: 2 },
  layoutItem: { name: 1, layouts: 2 },
  layouts: {
    deviceMatrix: 1,
    tensorMap: 2,
    splitShape: 3,
    indicesOffset: 4,
    fieldSize: 5,
    optimizerStep: 6,
    optimizerShards: 7,
  },
  /** Of DevMatrix, TensorMap, ParamSplitShape, IndicesOffset and ParallelStrategy. */
  dim: 1,
} as const;

/** Devices of one stage. */
export function stageDevices({ deviceMatrix }: ParameterLayout): number {
  return deviceMatrix.reduce((product, size) => product * size, 1);
}
