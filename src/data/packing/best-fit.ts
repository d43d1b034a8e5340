/** Best-fit packing: the longest sample first, each into the row that it fills best. */
import type { PackingTask, RowAssignment } from './row-plan.js';

/** Fragments that are sorted and packed together: bounds how far a fragment moves from its place in the input. */
const WINDOW = 2 ** 16;

/**
 * Best-fit decreasing over windows of the input: the longest fragment first, each into the row that it fills best
 * (Ding et al., "Fewer Truncations Improve Language Modeling", 2024). Equal lengths keep their order, so the result is
 * the same everywhere; rows do not cross windows.
 */
export function packBestFit({ lengths, capacity }: PackingTask, window = WINDOW): RowAssignment {
  const rowOf = new Uint32Array(lengths.length);
  let rowCount = 0;
  for (let first = 0; first < lengths.length; first += window) {
    const end = Math.min(first + window, lengths.length);
    const rows = new OpenRows(capacity);
    for (const fragment of byDescendingLength(lengths, first, end)) {
      const length = lengths[fragment]!;
      const { row, room } = rows.takeBestFit(length) ?? { row: rowCount++, room: capacity };
      rowOf[fragment] = row;
      rows.put(row, room - length);
    }
  }
  return { rowCount, rowOf };
}

function byDescendingLength(lengths: Uint32Array, first: number, end: number): Uint32Array {
  const order = Uint32Array.from({ length: end - first }, (_, index) => first + index);
  return order.sort((a, b) => lengths[b]! - lengths[a]! || a - b);
}

/** Rows by the room left in them. */
class OpenRows {
  readonly #byRoom: (number[] | undefined)[];
  /** Bit r of word w: there is a row with room 32 w + r. */
  readonly #bits: Int32Array;

  constructor(capacity: number) {
    this.#byRoom = new Array<number[] | undefined>(capacity + 1);
    this.#bits = new Int32Array((capacity >> 5) + 1);
  }

  put(row: number, room: number): void {
    const rows = this.#byRoom[room];
    if (rows === undefined) this.#byRoom[room] = [row];
    else rows.push(row);
    this.#bits[room >> 5]! |= 1 << (room & 31);
  }

  /** Takes out the row with the least room that is enough; undefined if none has. */
  takeBestFit(length: number): { row: number; room: number } | undefined {
    const room = this.#leastRoom(length);
    const rows = room === undefined ? undefined : this.#byRoom[room];
    const row = rows?.pop();
    if (room === undefined || rows === undefined || row === undefined) return undefined;
    if (rows.length === 0) this.#bits[room >> 5]! &= ~(1 << (room & 31));
    return { row, room };
  }

  #leastRoom(atLeast: number): number | undefined {
    let word = atLeast >> 5;
    let bits = (this.#bits[word] ?? 0) & (-1 << (atLeast & 31));
    while (bits === 0) {
      word += 1;
      if (word >= this.#bits.length) return undefined;
      bits = this.#bits[word]!;
    }
    return 32 * word + 31 - Math.clz32(bits & -bits);
  }
}
