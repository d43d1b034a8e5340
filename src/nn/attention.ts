/**
 * Scaled dot-product attention with the masks that the families need: causal, a sliding window, padded keys.
 *
 * Shapes: B batch, H heads, T queries, S keys, E head_dim.
 */
import { cat, intTensor, operator, scope, type Tensor } from '../tensor/index.js';

const scaledDotProductAttention = operator('aten::scaled_dot_product_attention');
const equal = operator('aten::eq.Tensor');

/** Queries of one slice of a long windowed attention: large enough for full speed, small enough for its mask. */
const WINDOW_SLICE = 1024;

/** Which keys each query may look at, by absolute position. Made once for a forward pass, used by every layer. */
export interface AttentionMask {
  /** Position of the first query; the others follow it. */
  readonly queryStart: number;
  /** Position of each key. */
  readonly keyPositions: readonly number[];
  /** A query at i sees keys j with i - window < j <= i; undefined: all j <= i. */
  readonly window: number | undefined;
  /** False where a key is padding; undefined where none is. */
  readonly keyValid: Tensor | undefined; // bool [B, S]
  /**
   * The documents that lie one after the other in each row: a query sees its own document only. For whole rows without a
   * cache and without padded keys. undefined: a row is one document.
   */
  readonly documents?: DocumentMask | undefined;
}

/** Which texts lie in each row; made once for a forward pass. */
export interface DocumentMask {
  readonly lengths: readonly (readonly number[])[]; // [B][…]
  /** True where a query may see a key; undefined where the rows are so long that each text goes on its own. */
  readonly visible: Tensor | undefined; // bool [B, 1, T, T]
}

/** Up to this length one call with a mask is faster than a call for each text; beyond it wasted pairs cost more. */
const MASKED_LENGTH = 512;

/** @param lengths of the texts in each row, T together */
export function documentMask(
  lengths: readonly (readonly number[])[],
  window: number | undefined,
  device: string,
): DocumentMask {
  const tokens = (lengths[0] ?? []).reduce((sum, length) => sum + length, 0);
  if (tokens > MASKED_LENGTH) return { lengths, visible: undefined };
  const texts = lengths.flatMap((row) => row.flatMap((length, text) => new Array<number>(length).fill(text)));
  const visible = scope(() => {
    const text = intTensor(texts, [lengths.length, tokens], { device });
    const place = intTensor(
      Array.from({ length: tokens }, (_, index) => index),
      [tokens],
      { device },
    );
    const [i, j] = [place.unsqueeze(1), place.unsqueeze(0)];
    let seen = equal(text.unsqueeze(2), text.unsqueeze(1)).logicalAnd(j.le(i)); // [B, T, T]
    if (window !== undefined) seen = seen.logicalAnd(j.gt(i.sub(window)));
    return seen.unsqueeze(1);
  });
  return { lengths, visible };
}

/**
 * softmax(q k^T / sqrt(E)) v.
 * @param q [B, H, T, E] @param k [B, H, S, E] @param v [B, H, S, E] @returns [B, H, T, E]
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, mask: AttentionMask): Tensor {
  const queries = q.size(2);
  const keys = k.size(2);
  const { window, keyValid, queryStart, keyPositions, documents } = mask;
  if (documents?.visible !== undefined) return scaledDotProductAttention(q, k, v, documents.visible);
  if (documents !== undefined) return attentionByDocument(q, k, v, documents.lengths, window);
  const first = keyPositions[0] ?? 0;
  const spansWindow = window !== undefined && queryStart + queries - first > window;
  if (keyValid === undefined && !spansWindow) {
    if (queries === 1) return scaledDotProductAttention(q, k, v);
    if (queries === keys) return scaledDotProductAttention(q, k, v, undefined, 0, true);
  }
  if (!spansWindow || queries <= WINDOW_SLICE)
    return scaledDotProductAttention(q, k, v, visibleKeys(mask, q.device, 0, queries, 0, keys));
  // Keys are in order of time here (a cache gives them so for more than one query): slice by slice, each with the
  // keys of its window only, so that the mask never grows with the square of the length.
  const slices: Tensor[] = [];
  for (let start = 0; start < queries; start += WINDOW_SLICE) {
    const count = Math.min(WINDOW_SLICE, queries - start);
    const from = Math.max(0, queryStart + start - window + 1 - first);
    const to = queryStart + start + count - first;
    slices.push(
      scaledDotProductAttention(
        q.narrow(2, start, count),
        k.narrow(2, from, to - from),
        v.narrow(2, from, to - from),
        visibleKeys(mask, q.device, start, count, from, to - from),
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
): Tensor {
  const rows = documents.map((lengths, row) => {
    let start = 0;
    const parts = lengths.map((length) => {
      const part = (x: Tensor): Tensor => x.narrow(0, row, 1).narrow(2, start, length);
      const keyPositions = window === undefined ? [0] : Array.from({ length }, (_, index) => index);
      const mixed = attention(part(q), part(k), part(v), {
        queryStart: 0,
        keyPositions,
        window,
        keyValid: undefined,
      });
      start += length;
      return mixed;
    });
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : cat(parts, 2);
  });
  return rows.length === 1 && rows[0] !== undefined ? rows[0] : cat(rows, 0);
}

/** True where a query may see a key: bool [1 or B, 1, T, S] for a range of the queries and of the keys. */
function visibleKeys(
  { queryStart, keyPositions, window, keyValid }: AttentionMask,
  device: string,
  queryOffset: number,
  queryCount: number,
  keyOffset: number,
  keyCount: number,
): Tensor {
  const queryPositions = Array.from({ length: queryCount }, (_, index) => queryStart + queryOffset + index);
  const i = intTensor(queryPositions, [queryCount, 1], { device });
  const j = intTensor(keyPositions.slice(keyOffset, keyOffset + keyCount), [1, keyCount], { device });
  let visible = j.le(i); // [T, S]
  if (window !== undefined) visible = visible.logicalAnd(j.gt(i.sub(window)));
  visible = visible.unsqueeze(0).unsqueeze(0); // [1, 1, T, S]
  if (keyValid === undefined) return visible;
  const valid = keyValid.narrow(1, keyOffset, keyCount).unsqueeze(1).unsqueeze(1); // [B, 1, 1, S]
  // A padded query sees itself: a row without any key would be NaN and spread to the others through its values.
  const itself = j.le(i).logicalAnd(j.ge(i)); // [T, S]
  return visible.logicalAnd(valid).logicalOr(itself);
}
