/** Signatures kept for the search of similar ones: locality-sensitive hashing by bands. */
import { mix32 } from '../text-units.js';

/** Entries that one band key may have; more of them are boilerplate and cost time without finding more. */
const MAX_BUCKET = 32;

/**
 * The signature is cut into bands; texts that agree in a whole band are compared. One byte of each bin is kept for the
 * comparison (b-bit minwise hashing, Li and König 2010): 128 bytes a text, and 8 bytes for each band at a load up to 3/4.
 */
export class MinHashIndex {
  readonly #bins: number;
  readonly #threshold: number;
  readonly #bands: number;
  readonly #rows: number;
  #bytes: Uint8Array;
  #count = 0;
  readonly #tables: BandTable[];

  /** @param threshold similarity, 0 to 1, from which texts count as duplicates */
  constructor(bins: number, threshold: number) {
    this.#bins = bins;
    this.#threshold = threshold;
    const { bands, rows } = chooseBands(bins, threshold);
    this.#bands = bands;
    this.#rows = rows;
    this.#bytes = new Uint8Array(1024 * bins);
    this.#tables = Array.from({ length: bands }, () => new BandTable());
  }

  /** The most similar text so far (the first of equals) that may be one, with its similarity, if it reaches the threshold. */
  find(
    signatures: Uint32Array,
    at: number,
    mayBe: (text: number) => boolean = () => true,
  ): { text: number; similarity: number } | undefined {
    let best: { text: number; similarity: number } | undefined;
    const seen = new Set<number>();
    for (const [band, table] of this.#tables.entries()) {
      for (const text of table.entries(this.#bandKey(signatures, at, band))) {
        if (seen.has(text)) continue;
        seen.add(text);
        if (!mayBe(text)) continue;
        const similarity = this.#similarity(signatures, at, text);
        if (similarity < this.#threshold) continue;
        if (
          best === undefined ||
          similarity > best.similarity ||
          (similarity === best.similarity && text < best.text)
        )
          best = { text, similarity };
      }
    }
    return best;
  }

  /** The number of the text: 0, 1, … */
  add(signatures: Uint32Array, at: number): number {
    const text = this.#count;
    this.#count += 1;
    const end = this.#count * this.#bins;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    for (let bin = 0; bin < this.#bins; bin += 1)
      this.#bytes[end - this.#bins + bin] = signatures[at + bin]! & 0xff;
    for (const [band, table] of this.#tables.entries()) table.add(this.#bandKey(signatures, at, band), text);
    return text;
  }

  #bandKey(signatures: Uint32Array, at: number, band: number): number {
    let key = band;
    const start = at + band * this.#rows;
    for (let row = 0; row < this.#rows; row += 1) key = mix32(Math.imul(key, 31) ^ signatures[start + row]!);
    return key;
  }

  /** Bytes agree by chance once in 256. */
  #similarity(signatures: Uint32Array, at: number, text: number): number {
    let equal = 0;
    const start = text * this.#bins;
    for (let bin = 0; bin < this.#bins; bin += 1)
      if (this.#bytes[start + bin] === (signatures[at + bin]! & 0xff)) equal += 1;
    return Math.max(0, (equal / this.#bins - 1 / 256) / (1 - 1 / 256));
  }

  /** For reports: bands and rows of each. */
  get layout(): { readonly bands: number; readonly rows: number } {
    return { bands: this.#bands, rows: this.#rows };
  }
}

/** The most rows (fewest needless comparisons) with which a pair at the threshold is found in 95 of 100 cases. */
export function chooseBands(bins: number, threshold: number): { bands: number; rows: number } {
  for (let rows = Math.min(16, bins); rows > 1; rows -= 1) {
    const bands = Math.floor(bins / rows);
    if (1 - (1 - threshold ** rows) ** bands >= 0.95) return { bands, rows };
  }
  return { bands: bins, rows: 1 };
}

/** Keys to several texts each, in insertion order. Slots of (key, text + 1); open addressing. */
class BandTable {
  #slots = new Uint32Array(2048);
  #count = 0;

  *entries(key: number): Generator<number, void> {
    const mask = this.#slots.length / 2 - 1;
    for (let slot = key & mask; this.#slots[2 * slot + 1] !== 0; slot = (slot + 1) & mask)
      if (this.#slots[2 * slot] === key) yield this.#slots[2 * slot + 1]! - 1;
  }

  add(key: number, text: number): void {
    let inBucket = 0;
    const mask = this.#slots.length / 2 - 1;
    let slot = key & mask;
    for (; this.#slots[2 * slot + 1] !== 0; slot = (slot + 1) & mask)
      if (this.#slots[2 * slot] === key) inBucket += 1;
    if (inBucket >= MAX_BUCKET) return;
    this.#slots[2 * slot] = key;
    this.#slots[2 * slot + 1] = text + 1;
    this.#count += 1;
    if (this.#count * 2 > this.#slots.length * 0.75) this.#grow();
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(old.length * 2);
    const mask = this.#slots.length / 2 - 1;
    // From after an empty slot, so that the order within a key is kept where a run wraps around the end.
    const size = old.length / 2;
    let first = 0;
    while (old[2 * first + 1] !== 0) first += 1;
    for (let step = 1; step <= size; step += 1) {
      const from = (first + step) % size;
      if (old[2 * from + 1] === 0) continue;
      let slot = old[2 * from]! & mask;
      while (this.#slots[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
      this.#slots[2 * slot] = old[2 * from]!;
      this.#slots[2 * slot + 1] = old[2 * from + 1]!;
    }
  }
}
