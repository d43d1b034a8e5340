/**
 * MinHash signatures: the share of equal bins of two signatures estimates the Jaccard similarity of two texts' shingles
 * (Broder 1997). All bins come from one hash of each shingle (one permutation hashing, Li, Owen and Zhang 2012); bins
 * that no shingle reached borrow from others (optimal densification, Shrivastava 2017).
 */
import { mix32, TextSplitter } from '../text-units.js';

export interface MinHashOptions {
  /** Bins of a signature. Default 128: the estimate's standard error is at most 0.044. */
  readonly bins?: number | undefined;
  /** Units (Chinese characters, words) in a shingle. Default 5. */
  readonly shingle?: number | undefined;
  /** Default 0. Signatures of different seeds are not comparable. */
  readonly seed?: number | undefined;
}

const EMPTY = 0xffffffff;
const BASE = 0x9e3779b1;

/** A pure function of text and options. */
export class MinHasher {
  readonly bins: number;
  readonly #shingle: number;
  readonly #seed: number;
  readonly #splitter = new TextSplitter();

  constructor({ bins = 128, shingle = 5, seed = 0 }: MinHashOptions = {}) {
    this.bins = bins;
    this.#shingle = shingle;
    this.#seed = mix32(seed + 0x5bd1e995);
  }

  /** Writes the signature of `text` into `out` from `at`; false (and nothing) for a text without units. */
  write(text: string, out: Uint32Array, at: number): boolean {
    const { length, hashes } = this.#splitter.split(text);
    if (length === 0) return false;
    const { bins } = this;
    out.fill(EMPTY, at, at + bins);
    const width = Math.min(this.#shingle, length);
    let leading = 1;
    for (let unit = 0; unit < width; unit += 1) leading = Math.imul(leading, BASE);
    let rolling = 0;
    for (let unit = 0; unit < length; unit += 1) {
      rolling = (Math.imul(rolling, BASE) + hashes[unit]!) | 0;
      if (unit >= width) rolling = (rolling - Math.imul(hashes[unit - width]!, leading)) | 0;
      if (unit < width - 1) continue;
      const mixed = mix32(rolling ^ this.#seed);
      const bin = at + (mixed % bins);
      // Of a bin's shingles the smallest second hash stays.
      const value = mix32(mixed ^ BASE) >>> 1;
      if (value < out[bin]!) out[bin] = value;
    }
    this.#densify(out, at);
    return true;
  }

  /** An empty bin takes the value of a full one, found by a walk that is the same for all texts. */
  #densify(out: Uint32Array, at: number): void {
    const { bins } = this;
    let full = 0;
    for (let bin = at; bin < at + bins; bin += 1) if (out[bin] !== EMPTY) full += 1;
    if (full === bins) return;
    const filled: number[] = [];
    for (let bin = 0; bin < bins; bin += 1) if (out[at + bin] === EMPTY) filled.push(bin);
    const borrowed = filled.map((bin) => {
      for (let attempt = 1; ; attempt += 1) {
        const from = mix32((bin * 0x10001 + attempt) ^ this.#seed) % bins;
        if (out[at + from] !== EMPTY) return out[at + from]!;
      }
    });
    for (const [index, bin] of filled.entries()) out[at + bin] = borrowed[index]!;
  }
}
