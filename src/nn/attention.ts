/**
 * Scaled dot-product attention over whole rows with the masks that the families need: causal, a sliding window, padded
 * keys. Tokens behind those of a cache attend through PagedKvCache.
 *
 * Shapes: B batch, H heads, K heads of keys and values (H is a multiple of K), T tokens, E head_dim.
 */
import { arange, cat, intTensor, operator, scope, type Tensor } from '../tensor/index.js';
import { fusedAttention, fusesAttention } from './fused-attention.js';
import { groupedAttention } from './grouped-attention.js';

const equal = operator('aten::eq.Tensor');

/** Large enough for full speed, small enough for its mask. */
const WINDOW_SLICE = 1024;

export interface AttentionOptions {
  /** Queries of one slice of a windowed attention over more tokens than that. Default 1024. */
  readonly sliceLength?: number;
}

/** Which keys each query may look at. Made once for a forward pass, used by every layer. */
export interface AttentionMask {
  /** A query at i sees keys j with i - window < j <= i; undefined: all j <= i. */
  readonly window: number | undefined;
  /** False where a key is padding; undefined where none is. */
  readonly keyValid: Tensor | undefined; // bool [B, T]
  /**
   * The documents that lie one after the other in each row: a query sees its own document only. For rows without padded
   * keys. undefined: a row is one document.
   */
  readonly documents?: DocumentMask | undefined;
}

/** Which documents lie in each row; made once for a forward pass. */
export interface DocumentMask {
  readonly lengths: readonly (readonly number[])[]; // [B][…]
  /** Where the document of each token begins. */
  readonly starts: Tensor; // int64 [B, T]
  /** True where a query may see a key; undefined where the rows are so long that each document goes on its own. */
  readonly visible: Tensor | undefined; // bool [B, 1, T, T]
}

/** Up to this length one call with a mask is faster than a call for each document; beyond it wasted pairs cost more. */
const MASKED_LENGTH = 512;

/**
 * @param lengths of the documents in each row, T together
 * @param isFused attention reads where documents begin, and no mask. Default false
 */
export function documentMask(
  lengths: readonly (readonly number[])[],
  window: number | undefined,
  device: string,
  isFused = false,
): DocumentMask {
  const tokens = (lengths[0] ?? []).reduce((sum, length) => sum + length, 0);
  const starts = intTensor(lengths.flatMap(startsOf), [lengths.length, tokens], { device });
  if (isFused || tokens > MASKED_LENGTH) return { lengths, starts, visible: undefined };
  const texts = lengths.flatMap((row) => row.flatMap((length, text) => new Array<number>(length).fill(text)));
  const visible = scope(() => {
    const text = intTensor(texts, [lengths.length, tokens], { device });
    const position = intTensor(
      Array.from({ length: tokens }, (_, index) => index),
      [tokens],
      { device },
    );
    const [i, j] = [position.unsqueeze(1), position.unsqueeze(0)];
    let visible = equal(text.unsqueeze(2), text.unsqueeze(1)).logicalAnd(j.le(i)); // [B, T, T]
    if (window !== undefined) visible = visible.logicalAnd(j.gt(i.sub(window)));
    return visible.unsqueeze(1);
  });
  return { lengths, starts, visible };
}

/** For each token of a row, where its document begins. */
function startsOf(lengths: readonly number[]): number[] {
  let start = 0;
  return lengths.flatMap((length) => {
    start += length;
    return new Array<number>(length).fill(start - length);
  });
}

/**
 * softmax(q k^T / sqrt(E)) v.
 * @param q [B, H, T, E] @param k [B, K, T, E] @param v [B, K, T, E] @returns [B, H, T, E]
 * @throws RangeError if H is no multiple of K
 */
export function attention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  mask: AttentionMask,
  { sliceLength = WINDOW_SLICE }: AttentionOptions = {},
): Tensor {
  const tokens = q.size(2);
  const { window, keyValid, documents } = mask;
  const isFused = fusesAttention(q.device, q.dtype) && k.dtype === q.dtype && v.dtype === q.dtype;
  if (isFused && keyValid === undefined && q.numElements > 0)
    return fusedAttention(q, k, v, { window, starts: documents?.starts });
  if (documents?.visible !== undefined) return groupedAttention(q, k, v, documents.visible);
  if (documents !== undefined)
    return attentionByDocument(q, k, v, documents.lengths, window, { sliceLength });
  const reach = window ?? tokens;
  if (keyValid === undefined && tokens <= reach) return groupedAttention(q, k, v, undefined, tokens > 1);
  if (tokens <= reach || tokens <= sliceLength)
    return groupedAttention(q, k, v, visibleKeys(mask, q.device, 0, 0, tokens));
  // Slice by slice, each with the keys of its window only, so that the mask never grows with the square of the length.
  const slices: Tensor[] = [];
  for (let start = 0; start < tokens; start += sliceLength) {
    const end = Math.min(start + sliceLength, tokens);
    const from = Math.max(0, start - reach + 1);
    slices.push(
      groupedAttention(
        q.narrow(2, start, end - start),
        k.narrow(2, from, end - from),
        v.narrow(2, from, end - from),
        visibleKeys(mask, q.device, start, from, end),
      ),
    );
  }
  return cat(slices, 2);
}

/** Each document on its own: no mask of T x T, and the flash kernel serves all of them. */
function attentionByDocument(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  documents: readonly (readonly number[])[],
  window: number | undefined,
  options: AttentionOptions,
): Tensor {
  const rows = documents.map((lengths, row) => {
    let start = 0;
    const parts = lengths.map((length) => {
      const part = (x: Tensor): Tensor => x.narrow(0, row, 1).narrow(2, start, length);
      const mixed = attention(part(q), part(k), part(v), { window, keyValid: undefined }, options);
      start += length;
      return mixed;
    });
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : cat(parts, 2);
  });
  return rows.length === 1 && rows[0] !== undefined ? rows[0] : cat(rows, 0);
}

/** True where a query from `queryStart` on may see a key from `keyStart` on, both up to `end`: bool [1 or B, 1, …, …]. */
function visibleKeys(
  { window, keyValid }: AttentionMask,
  device: string,
  queryStart: number,
  keyStart: number,
  end: number,
): Tensor {
  const i = arange(queryStart, end, { device }).unsqueeze(1);
  const j = arange(keyStart, end, { device }).unsqueeze(0);
  let visible = j.le(i);
  if (window !== undefined) visible = visible.logicalAnd(j.gt(i.sub(window)));
  visible = visible.unsqueeze(0).unsqueeze(0);
  if (keyValid === undefined) return visible;
  const valid = keyValid
    .narrow(1, keyStart, end - keyStart)
    .unsqueeze(1)
    .unsqueeze(1); // [B, 1, 1, …]
  // A padded query sees itself: a row without any key would be NaN and spread to the others through its values.
  const itself = j.le(i).logicalAnd(j.ge(i));
  return visible.logicalAnd(valid).logicalOr(itself);
}
