/** The strategy file of ranks that a conversion writes, so that MindSpore's own tools can read and cut them again. */
import {
  isStored,
  type ParallelStrategy,
  type ParameterLayout,
  sliceDimension,
  sliceRows,
  type TensorView,
  viewBytes,
} from '../../formats/index.js';
import type { PlannedFile, PlannedTensor } from '../convert/chain-tensor.js';
import type { ParallelLayout } from '../parallel-layout.js';
import { placeParameter } from './parameter-placement.js';

/**
 * @param ranks what is written of each
 * @param whole the same tensors, uncut, by their names in the files
 * @returns the layouts of all tensors, or why MindSpore has no words for that of one
 */
export function planStrategy(
  ranks: readonly PlannedFile[],
  whole: ReadonlyMap<string, TensorView>,
  layout: ParallelLayout,
): ParallelStrategy['stages'] | string {
  const { dataParallel, modelParallel, pipelineStages } = layout;
  const perStage = dataParallel * modelParallel;
  const stages = new Map<number, Map<string, ParameterLayout>>();
  for (let stage = 0; stage < pipelineStages; stage++) {
    const members = ranks
      .slice(stage * perStage, (stage + 1) * perStage)
      .map(({ tensors }) => new Map(tensors.map((tensor) => [tensor.name, tensor] as const)));
    const layouts = new Map<string, ParameterLayout>();
    for (const name of members[0]?.keys() ?? []) {
      const view = whole.get(name);
      if (view === undefined) continue;
      const found = layoutOf(
        view,
        members.flatMap((tensors) => tensors.get(name) ?? []),
        layout,
      );
      if (found === undefined) return `${name} is cut in a way that a strategy file has no words for`;
      layouts.set(name, found);
    }
    stages.set(stage, layouts);
  }
  return stages;
}

/** The layout by which the parts are what they are; undefined if there is none. */
function layoutOf(
  whole: TensorView,
  parts: readonly PlannedTensor[],
  { dataParallel, modelParallel }: ParallelLayout,
): ParameterLayout | undefined {
  const dims = whole.shape.length;
  const cuts = modelParallel > 1 ? [undefined, ...whole.shape.keys()] : [undefined];
  for (const cut of cuts)
    for (const isShared of dataParallel > 1 ? [false, true] : [false]) {
      // MindSpore lets neighbours share what all devices have, whatever the step.
      if (isShared && cut === undefined && modelParallel > 1) continue;
      const layout: ParameterLayout = {
        deviceMatrix: [dataParallel, modelParallel],
        tensorMap: whole.shape.map((_, dim) => (dim === cut ? [0] : [])),
        sliceRows: [],
        optimizerShards: isShared ? dataParallel : 0,
        optimizerStep: isShared ? modelParallel : 0,
      };
      const placement = placeParameter(layout, dims);
      if (typeof placement === 'string') continue;
      const isLaidOutSo = placement.places.every(({ slice, share }, device) => {
        const part = parts[device];
        if (part === undefined) return false;
        const wanted = partOf(whole, placement.slices, slice, placement.shares, share);
        return wanted !== undefined && samePlaces(wanted, part.view);
      });
      if (isLaidOutSo) return layout;
    }
  return undefined;
}

function partOf(
  whole: TensorView,
  slices: readonly number[],
  slice: readonly number[],
  shares: number,
  share: number,
): TensorView | undefined {
  let part = whole;
  for (const [dim, count] of slices.entries()) {
    if (count === 1) continue;
    const size = (whole.shape[dim] ?? 1) / count;
    if (!Number.isInteger(size)) return undefined;
    const index = slice[dim] ?? 0;
    part = sliceDimension(part, dim, index * size, (index + 1) * size);
  }
  if (shares === 1) return part;
  const rows = (part.shape[0] ?? 1) / shares;
  return Number.isInteger(rows) ? sliceRows(part, share * rows, (share + 1) * rows) : undefined;
}

/** Do the first and the last row lie at the same places? Blocks that are cut one by one show in these. */
function samePlaces(a: TensorView, b: TensorView): boolean {
  if (a.shape.join() !== b.shape.join()) return false;
  if (!isStored(a) || !isStored(b)) return false;
  const [rows = 1] = a.shape;
  return [0, rows - 1].every((row) => placesOf(a, row) === placesOf(b, row));
}

function placesOf(view: TensorView, row: number): string {
  const [rows = 1] = view.shape;
  const bytes = viewBytes(view) / rows;
  const places: { path: string; start: number; end: number }[] = [];
  for (const { path, start, end } of view.locate(row * bytes, (row + 1) * bytes)) {
    const last = places.at(-1);
    if (last !== undefined && last.path === path && last.end === start) last.end = end;
    else places.push({ path, start, end });
  }
  return JSON.stringify(places);
}
