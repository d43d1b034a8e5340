/** Reads the bytes of a pickle from front to back. */
import { isUtf8 } from 'node:buffer';
import { InputError } from '../../errors/index.js';

/** Longest pickle that is read; that of a model of 100 000 tensors has some 20 MB. */
export const MAX_PICKLE_BYTES = 2 ** 27;
/** Bytes of a pickle that are read at once. */
const WINDOW_BYTES = 2 ** 16;
/** Text arguments of protocol 0 end with a line feed; longer ones than this are no pickle. */
const MAX_LINE_BYTES = 2 ** 16;

/** Reads a pickle from front to back, in windows: legacy torch files have gigabytes of tensors behind it. */
export class PickleCursor {
  #window: Buffer = Buffer.alloc(0);
  #windowStart = 0;
  #position: number;

  /**
   * @param source names the pickle in messages; offsets in messages count from 0 of `read`.
   * @param end the first byte that does not belong to the pickle (or may not).
   * @param read up to `length` bytes from `offset`.
   */
  constructor(
    readonly source: string,
    readonly end: number,
    readonly read: (offset: number, length: number) => Uint8Array,
    start = 0,
  ) {
    this.#position = start;
  }

  get position(): number {
    return this.#position;
  }

  /** @throws InputError with the offset of the byte that is read next, or of `offset`. */
  fail(problem: string, offset = this.#position): never {
    throw new InputError(
      `${this.source}: not a readable pickle at byte ${offset}: ${problem}. The file is damaged or of another kind.`,
    );
  }

  byte(): number {
    return this.view(1)[0] ?? 0;
  }

  /** The next `length` bytes, valid until the next call; nothing is allocated before the length was checked. */
  view(length: number): Buffer {
    if (!(length <= this.end - this.#position))
      this.fail(`${length} bytes are due, ${this.end - this.#position} are left`);
    let from = this.#position - this.#windowStart;
    if (from < 0 || from + length > this.#window.length) {
      const wanted = Math.min(Math.max(length, WINDOW_BYTES), this.end - this.#position);
      const bytes = this.read(this.#position, wanted);
      if (bytes.length < length) this.fail('the file ends here');
      this.#window = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.#windowStart = this.#position;
      from = 0;
    }
    this.#position += length;
    return this.#window.subarray(from, from + length);
  }

  /** A copy of the next `length` bytes. */
  bytes(length: number): Uint8Array {
    return new Uint8Array(this.view(length));
  }

  text(length: number): string {
    const offset = this.#position;
    const bytes = this.view(length);
    return isUtf8(bytes) ? bytes.toString('utf8') : this.fail('a text is not valid UTF-8', offset);
  }

  /** A text of Python 2: UTF-8 where it is, Latin-1 otherwise. */
  oldText(length: number): string {
    const bytes = this.view(length);
    return bytes.toString(isUtf8(bytes) ? 'utf8' : 'latin1');
  }

  /** The text up to the next line feed, which is skipped. */
  line(): string {
    const offset = this.#position;
    const limit = Math.min(this.end, offset + MAX_LINE_BYTES);
    let length = 0;
    while (offset + length < limit && this.byte() !== 0x0a) length++;
    if (offset + length >= limit) this.fail('a line has no end', offset);
    this.#position = offset;
    const line = this.text(length);
    this.byte();
    return line;
  }

  /** A u64; beyond 2^53 - 1 it is longer than any file, hence refused. */
  length64(): number {
    const length = this.view(8).readBigUInt64LE();
    return length <= BigInt(Number.MAX_SAFE_INTEGER)
      ? Number(length)
      : this.fail(`a length of ${length} bytes`);
  }
}
