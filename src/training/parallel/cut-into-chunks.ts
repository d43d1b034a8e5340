/** The segments of a model in chunks that follow one another: blocks shared out evenly, the embedding first and the head last. */
import type { SegmentRange } from '../step/segment-pass.js';

/** @param chunks at most as many as blocks. The ends have more to do than blocks alone: those in the middle get what is left over */
export function cutIntoChunks(blocks: number, chunks: number): SegmentRange[] {
  if (chunks > blocks) throw new TypeError(`${chunks} chunks of ${blocks} blocks`);
  const sizes = new Array<number>(chunks).fill(Math.floor(blocks / chunks));
  const left = blocks % chunks;
  const first = Math.floor((chunks - left) / 2);
  let start = 0;
  return sizes.map((size, chunk) => {
    const more = chunk >= first && chunk < first + left ? 1 : 0;
    const ends = (chunk === 0 ? 1 : 0) + (chunk === chunks - 1 ? 1 : 0);
    const range = { start, end: start + size + more + ends };
    start = range.end;
    return range;
  });
}
