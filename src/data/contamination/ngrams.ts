/** N-grams of words and characters, by which texts are compared with evaluation items. */
import { mix32, TextSplitter } from '../text-units.js';

export interface NgramOptions {
  /** Words in a window. Default 13, as published for GPT-3 (Brown et al. 2020, appendix C). */
  readonly words?: number | undefined;
  /**
   * Characters in a window of which most units are characters of Chinese and the like. Default 20: thirteen of them are
   * often a phrase of exam papers ("下列有关细胞的叙述正确的是").
   */
  readonly characters?: number | undefined;
}

const BASE_LOW = 0x9e3779b1;
const BASE_HIGH = 0x85ebca77;

/** A window's 64-bit hash, and its UTF-16 offsets in the text. */
export type VisitNgram = (low: number, high: number, start: number, end: number) => void;

/** Visits one window for each unit where one fits. The same units give the same windows in every text. */
export class NgramScanner {
  readonly #words: number;
  readonly #characters: number;
  readonly #splitter = new TextSplitter();
  #prefixLow = new Int32Array(1);
  #prefixHigh = new Int32Array(1);
  #characterCount = new Uint32Array(1);
  readonly #powers: { word: readonly [number, number]; character: readonly [number, number] };

  constructor({ words = 13, characters = 20 }: NgramOptions = {}) {
    this.#words = words;
    this.#characters = characters;
    this.#powers = {
      word: [power(BASE_LOW, words), power(BASE_HIGH, words)],
      character: [power(BASE_LOW, characters), power(BASE_HIGH, characters)],
    };
  }

  /** The number of windows. */
  scan(text: string, visit: VisitNgram): number {
    const units = this.#splitter.split(text);
    this.#prepare(units);
    const { length, starts, ends } = units;
    let windows = 0;
    for (let from = 0; from + Math.min(this.#words, this.#characters) <= length; from += 1) {
      const wordEnd = Math.min(from + this.#words, length);
      const characters = this.#characterCount[wordEnd]! - this.#characterCount[from]!;
      const isWords = characters * 2 < wordEnd - from;
      const to = from + (isWords ? this.#words : this.#characters);
      if (to > length) continue;
      const [powerLow, powerHigh] = isWords ? this.#powers.word : this.#powers.character;
      const low = (this.#prefixLow[to]! - Math.imul(this.#prefixLow[from]!, powerLow)) | 0;
      const high = (this.#prefixHigh[to]! - Math.imul(this.#prefixHigh[from]!, powerHigh)) | 0;
      visit(mix32(low), mix32(high), starts[from]!, ends[to - 1]!);
      windows += 1;
    }
    return windows;
  }

  /** Polynomial hashes of all prefixes: a window's is the difference of two. */
  #prepare({ length, hashes, isCharacter }: ReturnType<TextSplitter['split']>): void {
    if (this.#prefixLow.length <= length) {
      const size = 2 ** Math.ceil(Math.log2(length + 1));
      this.#prefixLow = new Int32Array(size);
      this.#prefixHigh = new Int32Array(size);
      this.#characterCount = new Uint32Array(size);
    }
    for (let unit = 0; unit < length; unit += 1) {
      const hash = hashes[unit]!;
      this.#prefixLow[unit + 1] = Math.imul(this.#prefixLow[unit]!, BASE_LOW) + hash;
      this.#prefixHigh[unit + 1] = Math.imul(this.#prefixHigh[unit]!, BASE_HIGH) + mix32(hash + 1);
      this.#characterCount[unit + 1] = this.#characterCount[unit]! + isCharacter[unit]!;
    }
  }
}

function power(base: number, exponent: number): number {
  let result = 1;
  for (let step = 0; step < exponent; step += 1) result = Math.imul(result, base);
  return result;
}
