/** Weights kept in integers as the float32 that they stand for: bytes that no file has, made as they are read. */
import { type RangeContent, readRanges, sliceRanges } from '../files/read-ranges.js';
import type { TensorView } from '../tensors/tensor-view.js';
import { dequantizeRows, type IntegerMatrix } from './integer-matrix.js';
import type { IntegerRows } from './integer-rows.js';

/** A weight that its file keeps in integers. */
export interface IntegerWeight {
  readonly bits: IntegerMatrix['bits'];
  /** Groups of inputs that share a scale. */
  readonly groupCount: number;
  /** Unpacked anew at each call. */
  read(): IntegerMatrix;
  /** In the order of the products, without unpacking; undefined where bits, groups or sizes do not allow it. */
  readRows(): IntegerRows | undefined;
}

const WIDTH = 4;

/**
 * @param path the file to name in messages, and one that exists
 * @param shape [O, I]
 */
export function integerView(
  source: string,
  path: string,
  [outFeatures, inFeatures]: readonly [number, number],
  integers: IntegerWeight,
): TensorView {
  const rowBytes = inFeatures * WIDTH;
  const end = outFeatures * rowBytes;
  // Held from the first piece to the last: unpacking anew for each would take as many times as long.
  let held: IntegerMatrix | undefined;
  const content: RangeContent = {
    read(_descriptor, start, length, buffer) {
      held ??= integers.read();
      const [first, last] = [Math.floor(start / rowBytes), Math.ceil((start + length) / rowBytes)];
      const weights = new Float32Array((last - first) * inFeatures);
      dequantizeRows(held, first, last, weights);
      if (start + length >= end) held = undefined;
      const made = Buffer.from(weights.buffer, start - first * rowBytes, length);
      if (buffer === undefined) return made;
      made.copy(buffer);
      return buffer.subarray(0, length);
    },
  };
  const whole = [{ path, start: 0, end, content }];
  return {
    ...{ dtype: 'float32', shape: [outFeatures, inFeatures], source, integers },
    locate: (from, to) => sliceRanges(whole, from, to),
    stream: () => readRanges(whole, Math.max(rowBytes, PIECE_BYTES - (PIECE_BYTES % rowBytes))),
  };
}

/** About what is made at a time. */
const PIECE_BYTES = 2 ** 20;
