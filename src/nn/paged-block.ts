/**
 * What lies between a block's input and its output while texts are generated, as one call: attention between its
 * projections, or the whole block. The bits are those of the separate steps.
 *
 * Shapes: T new tokens of all sequences, D hidden, H heads, K heads of keys and values, E head_dim.
 */
import { operator, type Tensor } from '../tensor/index.js';
import { DenseLinear, type Linear } from './linear.js';
import type { RmsNorm } from './norm.js';
import type { PagedLayer } from './paged-kv-cache.js';
import { integersOf } from './project-together.js';

const attendOperator = operator('xinghe::paged_attention_projected');
const blockOperator = operator('xinghe::paged_pre_norm_block');
const integerBlockOperator = operator('xinghe::paged_pre_norm_integer_block');

/**
 * Rotates queries and keys, stores keys and values, attends.
 * @param q [1, T, H * E] @param k [1, T, K * E] @param v [1, T, K * E] @returns [1, T, H * E]
 */
export function attendProjected(q: Tensor, k: Tensor, v: Tensor, layer: PagedLayer): Tensor {
  return attendOperator(q, k, v, ...pageArguments(layer));
}

/** Of a block h += o(attend(norm(h))); h += down(silu(gate(norm(h))) * up(norm(h))). */
export interface PreNormBlockLayers {
  readonly inputNorm: RmsNorm;
  readonly postAttentionNorm: RmsNorm;
  /** q, k, v, o, gate, up, down. */
  readonly linears: readonly Linear[];
}

/** The whole block; undefined where a layer is not plain, as one with an adapter. @param hidden [1, T, D] @returns [1, T, D] */
export function pagedPreNormBlock(
  hidden: Tensor,
  { inputNorm, postAttentionNorm, linears }: PreNormBlockLayers,
  layer: PagedLayer,
): Tensor | undefined {
  const { eps, rounding } = inputNorm;
  if (eps !== postAttentionNorm.eps || rounding !== postAttentionNorm.rounding) return undefined;
  const norms = [inputNorm.weight, postAttentionNorm.weight];
  const last = [eps, rounding === 'before-weight', ...pageArguments(layer)] as const;
  const integers = integersOf(linears);
  if (integers !== undefined) return integerBlockOperator(hidden, norms, ...integers, ...last);
  if (!linears.every((linear) => linear instanceof DenseLinear && linear.layout === 'out-in'))
    return undefined;
  const weights = linears.map(({ weight }) => weight);
  return blockOperator(
    hidden,
    norms,
    weights,
    linears.map(({ bias }) => bias ?? null),
    ...last,
  );
}

/** As both operators take them, last. */
function pageArguments({ rotary, ...layer }: PagedLayer) {
  return [
    rotary.cos,
    rotary.sin,
    layer.keys,
    layer.values,
    layer.keyScales,
    layer.valueScales,
    layer.attentionMask,
    layer.blockTables,
    layer.sequences,
    layer.window,
  ] as const;
}
