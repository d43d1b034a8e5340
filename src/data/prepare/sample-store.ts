/** Encoded samples between encoding and packing: tokens in a temporary file, 24 bytes a sample in memory. */
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { GrowingArray, valueAt } from '../growing-array.js';

/** Samples of one task of encoding. */
export interface EncodedSamples {
  /** All tokens, sample after sample: id, and the sign bit set where it is learned. */
  readonly words: Int32Array;
  /** Tokens of each sample. */
  readonly lengths: Uint32Array;
  /** Lengths to pack by, where they are not those of the tokens. */
  readonly nominalLengths: Uint32Array | undefined;
}

export interface SamplePlace {
  /** Number of the input file. */
  readonly file: number;
  readonly line: number;
}

const WRITE_WORDS = 2 ** 20;
const READ_AHEAD_WORDS = 2 ** 18;

export class SampleStore {
  readonly #descriptor: number;
  readonly #starts = new GrowingArray((length) => new Float64Array(length));
  readonly #lengths = new GrowingArray((length) => new Uint32Array(length));
  readonly #nominal = new GrowingArray((length) => new Uint32Array(length));
  readonly #files = new GrowingArray((length) => new Uint32Array(length));
  readonly #lines = new GrowingArray((length) => new Uint32Array(length));
  readonly #pending = new Int32Array(WRITE_WORDS);
  #pendingWords = 0;
  #writtenWords = 0;
  readonly #ahead = new Int32Array(READ_AHEAD_WORDS);
  #aheadStart = 0;
  #aheadWords = 0;

  /** @param path of the temporary file; it has no name any more once it is open, so that no end of the run leaves it */
  constructor(path: string) {
    this.#descriptor = openSync(path, 'wx+');
    rmSync(path);
  }

  get count(): number {
    return this.#lengths.length;
  }

  /** Tokens of all samples. */
  get tokens(): number {
    return this.#writtenWords + this.#pendingWords;
  }

  /** Tokens of each sample. */
  get lengths(): Uint32Array {
    return this.#lengths.view();
  }

  /** Length to pack by of each sample. */
  get nominalLengths(): Uint32Array {
    return this.#nominal.view();
  }

  /** Number of the input file of each sample. */
  get files(): Uint32Array {
    return this.#files.view();
  }

  get lines(): Uint32Array {
    return this.#lines.view();
  }

  add({ words, lengths, nominalLengths }: EncodedSamples, places: readonly SamplePlace[]): void {
    let start = this.tokens;
    for (const [index, { file, line }] of places.entries()) {
      const length = valueAt(lengths, index);
      this.#starts.push(start);
      this.#lengths.push(length);
      this.#nominal.push(valueAt(nominalLengths ?? lengths, index));
      this.#files.push(file);
      this.#lines.push(line);
      start += length;
    }
    this.#append(words);
  }

  /** Puts `length` tokens of a sample, from its token `from` on, into `target` at `at`. */
  read(sample: number, from: number, length: number, target: Int32Array, at: number): void {
    if (this.#pendingWords > 0) this.#flush();
    const start = valueAt(this.#starts.view(), sample) + from;
    const offset = start - this.#aheadStart;
    if (offset >= 0 && offset + length <= this.#aheadWords) {
      target.set(this.#ahead.subarray(offset, offset + length), at);
      return;
    }
    // Reading on near the end of what was read ahead is reading in order; all else is a jump.
    const inOrder = offset >= 0 && offset <= this.#aheadWords + READ_AHEAD_WORDS / 4;
    if (length > READ_AHEAD_WORDS || (!inOrder && this.#aheadWords > 0)) {
      this.#readWords(start, target.subarray(at, at + length));
      return;
    }
    this.#aheadStart = start;
    this.#aheadWords = Math.min(READ_AHEAD_WORDS, this.#writtenWords - start);
    this.#readWords(start, this.#ahead.subarray(0, this.#aheadWords));
    target.set(this.#ahead.subarray(0, length), at);
  }

  dispose(): void {
    closeSync(this.#descriptor);
  }

  #append(words: Int32Array): void {
    for (let done = 0; done < words.length; ) {
      const taken = Math.min(words.length - done, WRITE_WORDS - this.#pendingWords);
      this.#pending.set(words.subarray(done, done + taken), this.#pendingWords);
      this.#pendingWords += taken;
      done += taken;
      if (this.#pendingWords === WRITE_WORDS) this.#flush();
    }
  }

  #flush(): void {
    const bytes = bytesOf(this.#pending.subarray(0, this.#pendingWords));
    for (let done = 0; done < bytes.length; )
      done += writeSync(this.#descriptor, bytes, done, bytes.length - done, 4 * this.#writtenWords + done);
    this.#writtenWords += this.#pendingWords;
    this.#pendingWords = 0;
  }

  #readWords(start: number, target: Int32Array): void {
    const bytes = bytesOf(target);
    for (let done = 0; done < bytes.length; ) {
      const count = readSync(this.#descriptor, bytes, done, bytes.length - done, 4 * start + done);
      if (count === 0) throw new RangeError(`tokens ${start} .. of ${this.#writtenWords} are not there`);
      done += count;
    }
  }
}

function bytesOf(words: Int32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}
