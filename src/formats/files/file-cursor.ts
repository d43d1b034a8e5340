/** Reads small little-endian fields of a big file through a moving window. */
import type { InputFile } from './input-file.js';

/**
 * A place in a file that moves on over small fields; what lies between them is skipped, not read. Little-endian.
 * Holds one window of the file; a field larger than the window is read by itself.
 */
export class FileCursor {
  readonly file: InputFile;
  /** Offset of the next field in the file. */
  position: number;
  /** Offset that no field may pass. */
  readonly end: number;
  readonly #fail: (problem: string, offset: number) => never;
  readonly #windowBytes: number;
  #window: Buffer = Buffer.alloc(0);
  #windowStart = 0;

  /** @param fail throws for a field beyond `end`; gets what is wrong and the offset where. */
  constructor(
    file: InputFile,
    range: { readonly start: number; readonly end: number },
    fail: (problem: string, offset: number) => never,
    windowBytes = 4096,
  ) {
    this.file = file;
    this.position = range.start;
    this.end = Math.min(range.end, file.size);
    this.#fail = fail;
    this.#windowBytes = windowBytes;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  fail(problem: string, offset = this.position): never {
    return this.#fail(problem, offset);
  }

  /** A view of the next `length` bytes, valid until the next call. */
  bytes(length: number, what: string): Buffer {
    this.#check(length, what);
    const offset = this.position - this.#windowStart;
    if (offset < 0 || offset + length > this.#window.length) {
      this.#window = this.file.read(
        this.position,
        Math.min(Math.max(length, this.#windowBytes), this.remaining),
      );
      this.#windowStart = this.position;
      if (this.#window.length < length) this.fail(`the file ends within ${what}`);
    }
    const start = this.position - this.#windowStart;
    this.position += length;
    return this.#window.subarray(start, start + length);
  }

  skip(length: number, what: string): void {
    this.#check(length, what);
    this.position += length;
  }

  uint32(what: string): number {
    return this.bytes(4, what).readUInt32LE();
  }

  /** A length, count or offset; beyond 2^53 - 1 it cannot be true. */
  uint64(what: string): number {
    const bytes = this.bytes(8, what);
    const value = bytes.readUInt32LE() + bytes.readUInt32LE(4) * 2 ** 32;
    if (!Number.isSafeInteger(value)) this.fail(`${what} is ${bytes.readBigUInt64LE()}`, this.position - 8);
    return value;
  }

  #check(length: number, what: string): void {
    if (length < 0 || length > this.remaining)
      this.fail(`${what} takes ${length} bytes, where only ${this.remaining} are left`);
  }
}
