/** The whole tensors of a training by MindSpore from those of its ranks, by what its strategy files say. */
import { InputError } from '../../errors/index.js';
import {
  type ParallelStrategy,
  type ParameterLayout,
  showValue,
  stackDimension,
  stackRows,
  stageDevices,
  type TensorView,
} from '../../formats/index.js';
import { allEqual, areReadable, sameSamples } from '../compare-parts.js';
import { joinOthers } from '../join-others.js';
import { type ParameterPlacement, placeParameter } from './parameter-placement.js';

/** Tensors of one rank, by their names in the files. */
type RankTensors = ReadonlyMap<string, TensorView>;

/**
 * @param path of the ranks, for messages
 * @param ranks rank = stage * devices of a stage + device
 * @throws InputError if there are other ranks than the strategy tells of, a rank lacks a tensor, a slice has another shape than its
 *   neighbours, copies differ, or a tensor that the strategy does not know differs between ranks
 */
export function joinByStrategy(
  path: string,
  ranks: readonly RankTensors[],
  strategy: ParallelStrategy,
): Map<string, TensorView> {
  const perStage = checkRanks(path, ranks.length, strategy);
  const joined = new Map<string, TensorView>();
  const known = new Set<string>();
  for (const [stage, layouts] of strategy.stages) {
    const members = ranks.slice(stage * perStage, (stage + 1) * perStage);
    for (const [name, layout] of layouts) {
      const parts = members.flatMap((tensors) => tensors.get(name) ?? []);
      // A file of weights alone has none of the optimiser's.
      if (parts.length === 0) continue;
      known.add(name);
      const lacking = members.findIndex((tensors) => !tensors.has(name));
      if (lacking >= 0)
        throw new InputError(
          `${path}: rank_${stage * perStage + lacking} lacks tensor ${showValue(name)}, which other ranks of stage ${stage} have; a ` +
            `file is missing, or ${strategy.path} is of another training.`,
        );
      const whole = joinParameter(name, parts, layout, strategy.path);
      const earlier = joined.get(name);
      if (earlier === undefined) joined.set(name, whole);
      else if (earlier.shape.join() !== whole.shape.join() || !isSame(earlier, whole))
        throw new InputError(
          `${path}: ${showValue(name)} differs between the pipeline stages that hold it; the ranks are of different steps.`,
        );
    }
  }
  if (known.size === 0)
    throw new InputError(
      `${path} has none of the tensors that ${strategy.path} tells of; the file is of another training (give its layout with ` +
        '--source-layout).',
    );
  const others = ranks.map((tensors) => new Map([...tensors].filter(([name]) => !known.has(name))));
  return new Map([...joined, ...joinOthers(path, others)]);
}

/** @returns devices of a stage */
function checkRanks(path: string, ranks: number, { path: file, stages }: ParallelStrategy): number {
  const [layouts] = stages.values();
  const [layout] = layouts?.values() ?? [];
  const perStage = layout === undefined ? 1 : stageDevices(layout);
  const count = Math.max(...stages.keys()) + 1;
  const missing = Array.from({ length: count }, (_, stage) => stage).find((stage) => !stages.has(stage));
  if (missing !== undefined)
    throw new InputError(
      `${file} tells of stage ${count - 1}, and not of stage ${missing}; give a folder with the files of all stages.`,
    );
  if (ranks === perStage * count) return perStage;
  throw new InputError(
    `${path} holds ${ranks} ranks, and ${file} tells of ${count} stage${count > 1 ? 's' : ''} of ${perStage} devices, which is ` +
      `${perStage * count}; ${ranks % perStage === 0 && ranks > perStage ? 'give a folder with the files of all stages' : 'give the strategy that the checkpoint was written with'}.`,
  );
}

function joinParameter(
  name: string,
  parts: readonly TensorView[],
  layout: ParameterLayout,
  file: string,
): TensorView {
  const fail = (problem: string): never => {
    throw new InputError(
      `${file}: the layout of ${showValue(name)} ${problem}; the file is of another training, or damaged.`,
    );
  };
  const [first] = parts;
  if (first === undefined) throw new RangeError(`${name} has no parts`);
  const placement = placeParameter(layout, first.shape.length);
  if (typeof placement === 'string') return fail(placement);
  const { slices, shares, places } = placement;
  const shown = (view: TensorView): string => `${view.dtype} [${view.shape.join(', ')}]`;
  const isUneven = layout.sliceRows.length > 0;
  for (const [device, part] of parts.entries()) {
    const rows = isUneven ? layout.sliceRows[sliceNumber(placement, device)] : first.shape[0];
    const wanted = first.shape.map((size, dim) => (dim === 0 ? (rows ?? size) : size));
    if (part.dtype !== first.dtype || part.shape.join() !== wanted.join())
      throw new InputError(
        `the ranks' parts of ${name} differ: ${shown(part)} where ${file} tells of ${first.dtype} [${wanted.join(', ')}]; they do ` +
          'not belong to one checkpoint.',
      );
  }
  const isCut = shares > 1 || slices.some((count) => count > 1);
  if (first.shape.length === 0 && isCut) fail('cuts a single number');
  const bySlice = new Map<string, TensorView[][]>();
  for (const [device, { slice, share }] of places.entries()) {
    const copies = bySlice.get(slice.join()) ?? Array.from({ length: shares }, () => []);
    bySlice.set(slice.join(), copies);
    const part = parts[device];
    if (part !== undefined) copies[share]?.push(part);
  }
  const whole = (slice: readonly number[]): TensorView =>
    stackRows(
      (bySlice.get(slice.join()) ?? []).map((copies) => {
        const [copy] = copies;
        if (copy === undefined) return fail(`leaves slice ${showValue(slice)} to no device`);
        if (!allEqual(copies, isSame))
          throw new InputError(
            `the copies of ${name} differ between ranks that ${file} says have the same; the ranks are of different steps, or the ` +
              'file is of another training.',
          );
        return copy;
      }),
    );
  const along = (slice: readonly number[]): TensorView => {
    const dim = slice.length;
    const count = slices[dim];
    if (count === undefined) return whole(slice);
    return stackDimension(
      Array.from({ length: count }, (_, index) => along([...slice, index])),
      dim,
    );
  };
  return along([]);
}

/** Slices are counted with the last dimension the fastest. */
function sliceNumber({ slices, places }: ParameterPlacement, device: number): number {
  return (places[device]?.slice ?? []).reduce((number, index, dim) => number * (slices[dim] ?? 1) + index, 0);
}

function isSame(a: TensorView, b: TensorView): boolean {
  return !areReadable([a, b]) || sameSamples(a, b);
}
