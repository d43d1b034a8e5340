/** Tensors piece by piece, so that none has to be in memory as a whole in another dtype. */

const PIECE_BYTES = 2 ** 24;
const WIDEST_ELEMENT = 4;

/** Stretches of `count` indices, each of `elements` numbers, that are a piece each. */
export function* piecesOf(
  count: number,
  elements: number,
): Generator<{ readonly start: number; readonly count: number }, void> {
  const atOnce = Math.max(1, Math.floor(PIECE_BYTES / (Math.max(1, elements) * WIDEST_ELEMENT)));
  for (let start = 0; start < count; start += atOnce) yield { start, count: Math.min(atOnce, count - start) };
}
