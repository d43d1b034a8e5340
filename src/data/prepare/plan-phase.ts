/** From the samples of a phase to its rows, by a packing. */
import { packBestFit } from '../packing/best-fit.js';
import { concatenateSamples, cutLongSamples } from '../packing/cut-fragments.js';
import { packFirstFit } from '../packing/first-fit.js';
import { packGreedily, packSeparately } from '../packing/greedy.js';
import { type Fragments, planRows, type RowAssignment, type RowPlan } from '../packing/row-plan.js';
import type { Packing, Recipe } from './recipes.js';
import type { SampleStore } from './sample-store.js';

export interface RowShape {
  readonly recipe: Recipe;
  readonly packing: Packing;
  /** Ids in a row. */
  readonly rowLength: number;
}

export function planPhase(
  draws: Uint32Array,
  store: SampleStore,
  { recipe, packing, rowLength }: RowShape,
): RowPlan {
  if (packing === 'joined') {
    const { fragments, assignment } = concatenateSamples(draws, store.lengths, rowLength);
    return planRows(fragments, assignment);
  }
  const fragments = cutLongSamples(draws, store.lengths, rowLength);
  const nominal =
    recipe.minPadding === 0 ? undefined : nominalSizes(fragments, store, rowLength - recipe.minPadding);
  return planRows(fragments, assign(packing, fragments, rowLength, nominal));
}

/** Why a sample fits in no row of its own; undefined: it does. Texts are cut, so they always do. */
export function misfit(sample: number, store: SampleStore, shape: RowShape): string | undefined {
  const { recipe, packing, rowLength } = shape;
  if (recipe.kind === 'pretrain') return undefined;
  const length = store.lengths[sample]!;
  const limit = rowLength - (packing === 'first-fit' ? recipe.minPadding : 0);
  const measured = packing === 'first-fit' ? store.nominalLengths[sample]! : length;
  if (measured > limit) return `has ${measured} tokens, a row takes ${limit}`;
  if (length > rowLength) return `has ${length} tokens in pieces, a row has ${rowLength}`;
  return undefined;
}

function nominalSizes(
  fragments: Fragments,
  store: SampleStore,
  capacity: number,
): { lengths: Uint32Array; capacity: number } {
  const sizes = store.nominalLengths;
  return { lengths: fragments.samples.map((sample) => sizes[sample]!), capacity };
}

function assign(
  packing: Exclude<Packing, 'joined'>,
  { lengths }: Fragments,
  capacity: number,
  nominal: { lengths: Uint32Array; capacity: number } | undefined,
): RowAssignment {
  switch (packing) {
    case 'greedy':
      return packGreedily({ lengths, capacity });
    case 'first-fit':
      return packFirstFit({ lengths, capacity, nominal });
    case 'best-fit':
      return packBestFit({ lengths, capacity });
    case 'none':
      return packSeparately({ lengths, capacity });
  }
}
