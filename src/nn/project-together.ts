/**
 * Linear layers that read the same input, as queries, keys and values do, multiplied in one call: the input is prepared
 * once, the threads meet once. Each element of the results is summed as the layer by itself sums it.
 */
import { isInvariantLinear, operator, type Tensor } from '../tensor/index.js';
import { DenseLinear, type Linear } from './linear.js';

const linears = operator('xinghe::linears');
const integerLinears = operator('xinghe::integer_linears');

/**
 * The outputs of the layers, in their order. In generation only (`setInvariantLinear`): in training the layers run one by
 * one where they stand, as their order decides in which order gradients of `x` are added.
 * @param x [..., I] @returns [..., O] of each
 */
export function projectTogether<const Layers extends readonly Linear[]>(
  x: Tensor,
  layers: Layers,
): { readonly [Index in keyof Layers]: Tensor };
export function projectTogether(x: Tensor, layers: readonly Linear[]): readonly Tensor[] {
  if (!isInvariantLinear()) return layers.map((layer) => layer.forward(x));
  const integers = integersOf(layers);
  if (integers !== undefined) return integerLinears(x, ...integers);
  const areDense = layers.every((layer) => layer instanceof DenseLinear && layer.layout === 'out-in');
  if (!areDense) return layers.map((layer) => layer.forward(x));
  return linears(
    x,
    layers.map(({ weight }) => weight),
    layers.map(({ bias }) => bias ?? null),
  );
}

/** All layers as operators of integers take them; undefined where one is of another kind, or not all round their inputs. */
export function integersOf(layers: readonly Linear[]) {
  const all = layers.flatMap(({ integers }) => integers ?? []);
  const roundsInput = all[0]?.roundsInput ?? false;
  if (all.length < layers.length || all.some((each) => each.roundsInput !== roundsInput)) return undefined;
  return [
    all.flatMap(({ tensors }) => tensors),
    all.map(({ order }) => order),
    layers.map(({ bias }) => bias ?? null),
    all.map(({ groupSize }) => groupSize),
    roundsInput,
  ] as const;
}
