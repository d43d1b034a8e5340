/**
 * Scaled dot-product attention where several query heads share a head of keys and values, which is never repeated in
 * memory: query head h looks at head floor(h / (H / K)).
 *
 * Shapes: B batch, H heads, K heads of keys and values, G = H / K, T tokens of queries, S of keys, E head_dim.
 */
import { operator, stack, type Tensor } from '../tensor/index.js';

const scaledDotProductAttention = operator('aten::scaled_dot_product_attention');
const unbind = operator('aten::unbind.int');

/**
 * softmax(q k^T / sqrt(E)) v.
 * @param q [B, H, T, E] @param k [B, K, S, E] @param v [B, K, S, E] @param visible bool [1 or B, 1, T, S]; undefined: all
 * @param isCausal a query at i sees keys j <= i only; without `visible` @returns [B, H, T, E]
 * @throws RangeError if H is no multiple of K
 */
export function groupedAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  visible: Tensor | undefined,
  isCausal = false,
): Tensor {
  checkHeads(q, k, v);
  if (q.size(1) === k.size(1)) return scaledDotProductAttention(q, k, v, visible, 0, isCausal);
  const isNarrow = q.dtype === 'bfloat16' || q.dtype === 'float16';
  if (isNarrow && q.device === 'cpu' && (k.requiresGrad || v.requiresGrad))
    return attentionByRow(q, k, v, visible, isCausal);
  return scaledDotProductAttention(q, k, v, visible, 0, isCausal, undefined, true);
}

/** @throws RangeError if heads of keys and values differ in number, or H is no multiple of K */
export function checkHeads(q: Tensor, k: Tensor, v: Tensor): void {
  const [heads, kvHeads] = [q.size(1), k.size(1)];
  if (v.size(1) !== kvHeads) throw new RangeError(`attention: k has ${kvHeads} heads and v ${v.size(1)}`);
  if (heads !== kvHeads && (kvHeads === 0 || heads % kvHeads !== 0))
    throw new RangeError(
      `attention: q has ${heads} heads and k ${kvHeads}; the heads of q must be a multiple of those of k`,
    );
}

/**
 * Row by row, each head of keys and values as a view of G heads. libtorch's own grouped backward pass adds the gradients
 * of a group's heads in the narrow type, one after the other; here `sum` adds them in float32. What it adds, a gradient
 * for each query head, exists for one row at a time.
 */
function attentionByRow(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  visible: Tensor | undefined,
  isCausal: boolean,
): Tensor {
  const [batch, heads, tokens, headDim] = [q.size(0), q.size(1), q.size(2), q.size(3)];
  const [kvHeads, keys] = [k.size(1), k.size(2)];
  const group = heads / kvHeads;
  const shared = (x: Tensor): Tensor => x.unsqueeze(1).expand([kvHeads, group, keys, headDim]);
  // unbind, as the gradient of a select would be a whole batch of zeros for each row.
  const [ks, vs] = [unbind(k, 0), unbind(v, 0)];
  const rows = unbind(q, 0).map((row, index) => {
    const [rowKeys, rowValues] = [ks[index], vs[index]];
    if (rowKeys === undefined || rowValues === undefined)
      throw new RangeError(`attention: q has ${batch} rows, k ${ks.length} and v ${vs.length}`);
    const seen = visible === undefined || visible.size(0) === 1 ? visible : visible.narrow(0, index, 1);
    const grouped = row.view([kvHeads, group, tokens, headDim]);
    return scaledDotProductAttention(grouped, shared(rowKeys), shared(rowValues), seen, 0, isCausal);
  });
  // As the whole batch has it: [B, T, H, E] in memory.
  const mixed = rows.map((row) => row.permute([2, 0, 1, 3])); // [T, K, G, E]
  return stack(mixed).view([batch, tokens, heads, headDim]).transpose(1, 2);
}
