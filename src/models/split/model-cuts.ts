/** Which parameters of a model the ranks of a tensor-parallel group have parts of, as its family's table says. */
import { type ShardingTable, TensorCut, type TrainedSplit } from '../../checkpoint/index.js';
import { namedLinears } from '../../nn/index.js';
import { empty, noGrad, operator, scope } from '../../tensor/index.js';
import type { CausalLm } from '../causal-lm.js';
import type { ModelShape } from '../model-shape.js';

const setTensor = operator('aten::set_.source_Tensor');

/** A rank's place in the group. */
export interface SplitPlace {
  readonly rank: number;
  readonly size: number;
}

/**
 * By own path. Parameters of an adapter are cut as the weight beside them is.
 * @param known of parameters that have the shape of a part already, or are kept as something else; taken over
 */
export function modelCuts(
  model: CausalLm,
  table: ShardingTable,
  { rank, size }: SplitPlace,
  known: ReadonlyMap<string, TensorCut> = new Map(),
): Map<string, TensorCut> {
  const layers = new Map(namedLinears(model));
  const cuts = new Map(known);
  const hasAll = hasAllKeyValues(model.shape, size);
  for (const [path, { shape }] of model.namedParameters()) {
    if (known.has(path)) continue;
    const [, adapted, part] = /^(.*)\.lora(A|B|Magnitude|Bias)$/.exec(path) ?? [];
    const split = table.trainedSplitOf(adapted === undefined ? path : `${adapted}.weight`);
    if (split === undefined || (split.isKeyValue && hasAll)) continue;
    const isOutput = split.dim === (layers.get(adapted ?? '')?.layout === 'in-out' ? 1 : 0);
    const own = adapted === undefined ? split : adapterSplit(split, part === 'A', isOutput);
    if (own !== undefined) cuts.set(path, new TensorCut(shape, own, rank, size));
  }
  return cuts;
}

/** Gives the parameters of a model without memory the shapes of their parts. */
export function shrinkParameters(model: CausalLm, cuts: ReadonlyMap<string, TensorCut>): void {
  for (const [path, tensor] of model.namedParameters()) {
    const cut = cuts.get(path);
    if (cut === undefined) continue;
    noGrad(() =>
      scope(() => {
        setTensor(tensor, empty(cut.partShape, { dtype: tensor.dtype, device: tensor.device }));
      }),
    );
  }
}

/** Heads of keys and values that cannot be shared evenly are on every rank, which takes those that its queries look at. */
export function hasAllKeyValues({ numKvHeads }: Pick<ModelShape, 'numKvHeads'>, ranks: number): boolean {
  return numKvHeads % ranks !== 0;
}

/** A [R, I] is cut with the inputs; B [O, R], magnitude and bias [O] with the outputs. @param isOutput is the weight cut so? */
function adapterSplit(
  { blocks }: TrainedSplit,
  isA: boolean,
  isOutput: boolean,
): Pick<TrainedSplit, 'dim' | 'blocks'> | undefined {
  if (isA) return isOutput ? undefined : { dim: 1, blocks };
  return isOutput ? { dim: 0, blocks } : undefined;
}
