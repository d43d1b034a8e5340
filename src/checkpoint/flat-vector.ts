/** Flattened vectors in byte ranges of files, as DeepSpeed keeps parameters. */
import { type ByteRange, dtypeBytes, type FileDtype } from '../formats/index.js';

export interface FlatVector {
  readonly dtype: FileDtype;
  /** Elements. */
  readonly count: number;
  /** Its bytes, one range after the other. */
  readonly ranges: readonly ByteRange[];
}

/** One vector after the other; all of one dtype. Throws RangeError otherwise, and for none. */
export function joinVectors(vectors: readonly FlatVector[]): FlatVector {
  const dtypes = new Set(vectors.map(({ dtype }) => dtype));
  const [dtype] = dtypes;
  if (dtype === undefined || dtypes.size > 1)
    throw new RangeError(`Vectors of dtypes [${[...dtypes]}] are joined.`);
  return {
    dtype,
    count: vectors.reduce((count, vector) => count + vector.count, 0),
    ranges: vectors.flatMap(({ ranges }) => ranges),
  };
}

/** Elements `start` to `start + count`; undefined where the vector has fewer. */
export function sliceVector(vector: FlatVector, start: number, count: number): FlatVector | undefined {
  if (start + count > vector.count) return undefined;
  const width = dtypeBytes(vector.dtype);
  const ranges: ByteRange[] = [];
  let skip = start * width;
  let left = count * width;
  for (const { path, start: first, end } of vector.ranges) {
    const taken = Math.min(Math.max(end - first - skip, 0), left);
    if (taken > 0) ranges.push({ path, start: first + skip, end: first + skip + taken });
    skip = Math.max(skip - (end - first), 0);
    left -= taken;
    if (left === 0) break;
  }
  return { dtype: vector.dtype, count, ranges };
}
