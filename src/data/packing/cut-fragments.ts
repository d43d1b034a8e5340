/** Samples to fragments: concatenated and cut at row ends, or cut only where one is longer than a row. */
import { GrowingArray, valueAt } from '../growing-array.js';
import type { Fragments, RowAssignment } from './row-plan.js';

class FragmentList {
  readonly #samples = new GrowingArray((length) => new Uint32Array(length));
  readonly #starts = new GrowingArray((length) => new Uint32Array(length));
  readonly #lengths = new GrowingArray((length) => new Uint32Array(length));

  push(sample: number, start: number, length: number): void {
    this.#samples.push(sample);
    this.#starts.push(start);
    this.#lengths.push(length);
  }

  fragments(): Fragments {
    return { samples: this.#samples.view(), starts: this.#starts.view(), lengths: this.#lengths.view() };
  }
}

/**
 * All samples one after the other, cut wherever a row is full; the last row may be shorter.
 * @param samples indexes into `sampleLengths`, in order, repeats allowed
 */
export function concatenateSamples(
  samples: Uint32Array,
  sampleLengths: Uint32Array,
  rowLength: number,
): { fragments: Fragments; assignment: RowAssignment } {
  const list = new FragmentList();
  const rowOf = new GrowingArray((length) => new Uint32Array(length));
  let row = 0;
  let used = 0;
  for (const sample of samples) {
    const length = valueAt(sampleLengths, sample);
    for (let start = 0; start < length; ) {
      if (used === rowLength) {
        row += 1;
        used = 0;
      }
      const taken = Math.min(length - start, rowLength - used);
      list.push(sample, start, taken);
      rowOf.push(row);
      start += taken;
      used += taken;
    }
  }
  return {
    fragments: list.fragments(),
    assignment: { rowCount: used > 0 ? row + 1 : 0, rowOf: rowOf.view() },
  };
}

/** Each sample whole, or in fragments of a whole row and a rest where it is longer; empty samples have none. */
export function cutLongSamples(
  samples: Uint32Array,
  sampleLengths: Uint32Array,
  rowLength: number,
): Fragments {
  const list = new FragmentList();
  for (const sample of samples) {
    const length = valueAt(sampleLengths, sample);
    for (let start = 0; start < length; start += rowLength)
      list.push(sample, start, Math.min(rowLength, length - start));
  }
  return list.fragments();
}
