/**
 * Encoded samples between tokenising and packing: 24 bytes a sample in memory; tokens in memory while they are few,
 * then in a temporary file.
 */
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

export interface SampleLocation {
  /** Number of the input file. */
  readonly file: number;
  readonly line: number;
}

/** 256 MiB. */
const MEMORY_WORDS = 2 ** 26;

export class SampleStore {
  readonly #starts = new GrowingArray((length) => new Float64Array(length));
  readonly #lengths = new GrowingArray((length) => new Uint32Array(length));
  readonly #nominal = new GrowingArray((length) => new Uint32Array(length));
  readonly #files = new GrowingArray((length) => new Uint32Array(length));
  readonly #lines = new GrowingArray((length) => new Uint32Array(length));
  /** What the tasks gave, in order; no sample lies in two of them. */
  readonly #chunks: Int32Array[] = [];
  readonly #chunkStarts = new GrowingArray((length) => new Float64Array(length));
  readonly #memoryLimit: number;
  readonly #path: string;
  #memoryWords = 0;
  #words = 0;
  #spill: SpillFile | undefined;

  /** @param path of the temporary file; it has no name any more once it is open, so that no end of the run leaves it */
  constructor(path: string, memoryWords = MEMORY_WORDS) {
    this.#path = path;
    this.#memoryLimit = memoryWords;
  }

  get count(): number {
    return this.#lengths.length;
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

  add({ words, lengths, nominalLengths }: EncodedSamples, locations: readonly SampleLocation[]): void {
    let start = this.#words;
    for (const [index, { file, line }] of locations.entries()) {
      const length = valueAt(lengths, index);
      this.#starts.push(start);
      this.#lengths.push(length);
      this.#nominal.push(valueAt(nominalLengths ?? lengths, index));
      this.#files.push(file);
      this.#lines.push(line);
      start += length;
    }
    this.#words += words.length;
    if (this.#spill === undefined && this.#memoryWords + words.length <= this.#memoryLimit) {
      this.#chunkStarts.push(this.#memoryWords);
      this.#chunks.push(words);
      this.#memoryWords += words.length;
    } else {
      this.#spill ??= new SpillFile(this.#path);
      this.#spill.append(words);
    }
  }

  /** Puts `length` tokens of a sample, from its token `from` on, into `target` at `at`. */
  read(sample: number, from: number, length: number, target: Int32Array, at: number): void {
    const start = this.#starts.at(sample) + from;
    if (start >= this.#memoryWords && this.#spill !== undefined) {
      this.#spill.read(start - this.#memoryWords, target.subarray(at, at + length));
      return;
    }
    const chunk = lastAtMost(this.#chunkStarts, start);
    const offset = start - this.#chunkStarts.at(chunk);
    const words = this.#chunks[chunk];
    if (words === undefined || offset + length > words.length)
      throw new RangeError(`tokens ${from} .. ${from + length} of sample ${sample} are not there`);
    target.set(words.subarray(offset, offset + length), at);
  }

  dispose(): void {
    this.#spill?.close();
  }
}

/** Index of the last value that is at most `value`; the values rise. */
function lastAtMost(values: GrowingArray<Float64Array>, value: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (values.at(middle) <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

const READ_AHEAD_WORDS = 2 ** 18;

/** Words of a file, read on in order mostly, with jumps between. */
class SpillFile {
  readonly #descriptor: number;
  #words = 0;
  readonly #ahead = new Int32Array(READ_AHEAD_WORDS);
  #aheadStart = 0;
  #aheadWords = 0;

  constructor(path: string) {
    this.#descriptor = openSync(path, 'wx+');
    rmSync(path);
  }

  append(words: Int32Array): void {
    const bytes = bytesOf(words);
    for (let done = 0; done < bytes.length; )
      done += writeSync(this.#descriptor, bytes, done, bytes.length - done, 4 * this.#words + done);
    this.#words += words.length;
  }

  read(start: number, target: Int32Array): void {
    const offset = start - this.#aheadStart;
    if (offset >= 0 && offset + target.length <= this.#aheadWords) {
      target.set(this.#ahead.subarray(offset, offset + target.length));
      return;
    }
    // Near the end of what was read ahead is reading in order; all else is a jump.
    const isInOrder =
      this.#aheadWords === 0 || (offset >= 0 && offset <= this.#aheadWords + READ_AHEAD_WORDS / 4);
    if (target.length > READ_AHEAD_WORDS || !isInOrder) {
      this.#readInto(start, target);
      return;
    }
    this.#aheadStart = start;
    this.#aheadWords = Math.min(READ_AHEAD_WORDS, this.#words - start);
    this.#readInto(start, this.#ahead.subarray(0, this.#aheadWords));
    target.set(this.#ahead.subarray(0, target.length));
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #readInto(start: number, target: Int32Array): void {
    const bytes = bytesOf(target);
    for (let done = 0; done < bytes.length; ) {
      const count = readSync(this.#descriptor, bytes, done, bytes.length - done, 4 * start + done);
      if (count === 0) throw new RangeError(`words from ${start} on are not among ${this.#words}`);
      done += count;
    }
  }
}

function bytesOf(words: Int32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}
