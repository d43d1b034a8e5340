/**
 * Causal attention of whole rows in one kernel, forward and backward (native/cpu/causal-attention.cpp): documents and windows
 * without a mask, heads of keys and values without copies, sums in float32.
 *
 * Shapes: B batch, H heads, K heads of keys and values (H is a multiple of K), T tokens, E head_dim.
 */
import { cpuCapability, type DType, operator, type Tensor } from '../tensor/index.js';
import { checkHeads } from './grouped-attention.js';

const causalAttention = operator('xinghe::causal_attention');

export interface FusedAttentionMask {
  /** A query at i sees keys j with i - window < j <= i; undefined: all j <= i. */
  readonly window: number | undefined;
  /** Where each token's document begins, of which a query sees no more; undefined: a row is one document. */
  readonly starts: Tensor | undefined; // int64 [B, T]
}

/** Whether a kernel is there; elsewhere the operator is composed of libtorch's, with a mask for each pair of tokens. */
export function fusesAttention(device: string, dtype: DType): boolean {
  if (device !== 'cpu' || (dtype !== 'float32' && dtype !== 'bfloat16')) return false;
  const capability = cpuCapability();
  return capability === 'AVX512' || capability === 'AVX2';
}

/**
 * softmax(q k^T / sqrt(E)) v.
 * @param q [B, H, T, E] @param k [B, K, T, E] @param v [B, K, T, E] @returns [B, H, T, E], in memory [B, T, H, E]
 * @throws RangeError if H is no multiple of K
 */
export function fusedAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { window, starts }: FusedAttentionMask,
): Tensor {
  checkHeads(q, k, v);
  return causalAttention(q, k, v, starts, window ?? 0);
}
