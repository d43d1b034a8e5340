/**
 * Tensors whose elements lie at strides (a saved transpose, slice or expansion) as row-major bytes. What one piece of the
 * result needs is read at once: a slice of a big storage comes in pieces, a transpose needs its whole span.
 */
import { type ByteRange, readRanges, sliceRanges } from '../files/read-ranges.js';

/** One dimension: elements along it, and elements between neighbours. */
interface Dimension {
  readonly size: number;
  readonly stride: number;
}

/**
 * Row-major bytes in chunks of at most `chunkBytes`, each a buffer of its own.
 * @param ranges bytes of the span from the first element to the last
 * @param width bytes of an element: 1, 2, 4 or 8
 */
export function* gatherStrided(
  ranges: readonly ByteRange[],
  shape: readonly number[],
  strides: readonly number[],
  width: number,
  chunkBytes: number,
): Generator<Uint8Array, void> {
  if (shape.includes(0)) return;
  const unit = width === 8 ? 4 : width;
  const dimensions = shape.map((size, dim) => ({ size, stride: (strides[dim] ?? 0) * (width / unit) }));
  // Eight bytes are two words: a BigInt for each element would be slow, a float64 may lose the bits of a NaN.
  if (unit !== width) dimensions.push({ size: 2, stride: 1 });
  yield* gatherFrom(ranges, 0, simplify(dimensions), unit, chunkBytes);
}

/** Without dimensions of one element, neighbours that lie as one dimension joined. */
function simplify(dimensions: readonly Dimension[]): Dimension[] {
  const joined: Dimension[] = [];
  for (const dimension of dimensions) {
    if (dimension.size === 1) continue;
    const outer = joined.at(-1);
    if (outer !== undefined && outer.stride === dimension.size * dimension.stride)
      joined[joined.length - 1] = { size: outer.size * dimension.size, stride: dimension.stride };
    else joined.push(dimension);
  }
  return joined;
}

/** From the element at `start` on, cut along the first dimension as long as that makes the span smaller. */
function* gatherFrom(
  ranges: readonly ByteRange[],
  start: number,
  dimensions: readonly Dimension[],
  unit: number,
  chunkBytes: number,
): Generator<Uint8Array, void> {
  const [outer, ...inner] = dimensions;
  const innerBytes = spanOf(inner) * unit;
  if (outer === undefined || spanOf(dimensions) * unit <= chunkBytes || outer.stride * unit < innerBytes) {
    yield* gatherSpan(readSpan(ranges, start, dimensions, unit, chunkBytes), dimensions, unit, chunkBytes);
    return;
  }
  const step = 1 + Math.max(0, Math.floor((chunkBytes - innerBytes) / (outer.stride * unit)));
  for (let first = 0; first < outer.size; first += step) {
    const size = Math.min(step, outer.size - first);
    const part = size === 1 ? inner : [{ ...outer, size }, ...inner];
    yield* gatherFrom(ranges, start + first * outer.stride, part, unit, chunkBytes);
  }
}

/** Elements from the first to the last. */
function spanOf(dimensions: readonly Dimension[]): number {
  return dimensions.reduce((sum, { size, stride }) => sum + (size - 1) * stride, 1);
}

type Words = Uint8Array | Uint16Array | Uint32Array;

function readSpan(
  ranges: readonly ByteRange[],
  start: number,
  dimensions: readonly Dimension[],
  unit: number,
  chunkBytes: number,
): Words {
  const bytes = new Uint8Array(spanOf(dimensions) * unit);
  let filled = 0;
  const wanted = sliceRanges(ranges, start * unit, start * unit + bytes.length);
  for (const piece of readRanges(wanted, chunkBytes)) {
    bytes.set(piece, filled);
    filled += piece.length;
  }
  return wordsOf(bytes, unit);
}

function wordsOf(bytes: Uint8Array, unit: number): Words {
  if (unit === 4) return new Uint32Array(bytes.buffer);
  if (unit === 2) return new Uint16Array(bytes.buffer);
  return bytes;
}

function* gatherSpan(
  span: Words,
  dimensions: readonly Dimension[],
  unit: number,
  chunkBytes: number,
): Generator<Uint8Array, void> {
  const { size: rowSize, stride } = dimensions.at(-1) ?? { size: 1, stride: 1 };
  const outer = dimensions.slice(0, -1);
  const rows = outer.reduce((product, { size }) => product * size, 1);
  let left = rows * rowSize;
  let bytes = new Uint8Array(Math.min(left * unit, chunkBytes - (chunkBytes % unit)));
  let piece = wordsOf(bytes, unit);
  let filled = 0;
  const index = outer.map(() => 0);
  let row = 0;
  for (let count = 0; count < rows; count++) {
    for (let done = 0; done < rowSize; ) {
      const words = Math.min(rowSize - done, piece.length - filled);
      copyRun(span, row + done * stride, stride, piece, filled, words);
      done += words;
      filled += words;
      if (filled < piece.length) continue;
      yield bytes;
      left -= filled;
      filled = 0;
      bytes = new Uint8Array(Math.min(left * unit, bytes.length));
      piece = wordsOf(bytes, unit);
    }
    row += nextRow(index, outer);
  }
}

/** Below this a loop is quicker than a call into the runtime. */
const LONG_RUN = 32;

function copyRun(from: Words, start: number, stride: number, to: Words, at: number, words: number): void {
  if (stride === 1 && words >= LONG_RUN) {
    to.set(from.subarray(start, start + words), at);
    return;
  }
  for (let word = 0; word < words; word++) to[at + word] = from[start + word * stride] ?? 0;
}

/** Counts `index` up by one. @returns how far the next row lies from this one */
function nextRow(index: number[], dimensions: readonly Dimension[]): number {
  let distance = 0;
  for (let dim = dimensions.length - 1; dim >= 0; dim--) {
    const { size, stride } = dimensions[dim] ?? { size: 1, stride: 0 };
    const next = (index[dim] ?? 0) + 1;
    distance += stride;
    if (next < size) {
      index[dim] = next;
      return distance;
    }
    index[dim] = 0;
    distance -= size * stride;
  }
  return distance;
}
