/** Many byte ranges of a few files as one stream of bytes. */
import { closeSync } from 'node:fs';
import { InputError } from '../../errors/index.js';
import { openInputFile, readFully } from './input-file.js';

/** Bytes `start` to `end` (exclusive) of a file, or of what is made of it. */
export interface ByteRange {
  readonly path: string;
  readonly start: number;
  readonly end: number;
  /** Where the bytes are not the file's own: start and end count in these. */
  readonly content?: RangeContent;
}

/** Bytes that are made of a file's as they are read. */
export interface RangeContent {
  /**
   * Up to `length` bytes from `start`; fewer only where the file ends before.
   * @param buffer of `length` or more to read into, aligned to eight bytes; default: a new one
   */
  read(descriptor: number, start: number, length: number, buffer?: Buffer): Buffer;
}

/** Bytes `from` to `to` (exclusive) of what the ranges hold one after the other. */
export function* sliceRanges(
  ranges: readonly ByteRange[],
  from: number,
  to: number,
): Generator<ByteRange, void> {
  let offset = 0;
  for (const range of ranges) {
    const { start, end } = range;
    const first = Math.max(from - offset, 0);
    const last = Math.min(to - offset, end - start);
    if (first < last) yield { ...range, start: start + first, end: start + last };
    offset += end - start;
  }
}

/** Ranges that lie closer than this are read together: a seek costs more than the bytes between them. */
const MAX_GAP_BYTES = 2 ** 15;

/**
 * The bytes of all ranges, in order, in chunks of at most `chunkBytes` (the last of a file's run may be smaller).
 * @param buffer of `chunkBytes`: chunks lie in it, each until the next is asked for. Default: each has its own
 * @throws InputError if a file is shorter than a range says: it was changed since its header was read
 */
export function* readRanges(
  ranges: Iterable<ByteRange>,
  chunkBytes: number,
  buffer?: Buffer,
): Generator<Buffer, void> {
  const files = new OpenFiles();
  let run: ByteRange[] = [];
  let runBytes = 0;
  try {
    for (const range of cutRanges(ranges, chunkBytes)) {
      const first = run[0];
      const last = run.at(-1);
      const fits =
        first !== undefined &&
        last !== undefined &&
        range.path === last.path &&
        range.content === last.content &&
        range.start >= last.end &&
        range.start - last.end <= MAX_GAP_BYTES &&
        range.end - first.start <= chunkBytes;
      if (!fits && run.length > 0) {
        yield readRun(files, run, runBytes, buffer);
        run = [];
        runBytes = 0;
      }
      run.push(range);
      runBytes += range.end - range.start;
    }
    if (run.length > 0) yield readRun(files, run, runBytes, buffer);
  } finally {
    files.close();
  }
}

/** No range longer than a piece, none empty. */
function* cutRanges(ranges: Iterable<ByteRange>, chunkBytes: number): Generator<ByteRange, void> {
  for (const range of ranges)
    for (let offset = range.start; offset < range.end; offset += chunkBytes)
      yield { ...range, start: offset, end: Math.min(range.end, offset + chunkBytes) };
}

/** One read for ranges that lie close together, in rising order, in one file. */
function readRun(
  files: OpenFiles,
  run: readonly ByteRange[],
  bytes: number,
  buffer: Buffer | undefined,
): Buffer {
  const { path, start, content } = run[0]!;
  const length = run.at(-1)!.end - start;
  const descriptor = files.descriptor(path);
  const span =
    content === undefined
      ? readFully(descriptor, start, length, buffer)
      : content.read(descriptor, start, length, buffer);
  if (span.length < length)
    throw new InputError(
      content === undefined
        ? `${path} ends at byte ${start + span.length}, within a tensor; the file was changed or cut meanwhile.`
        : `${path} ends within a tensor; the file was changed or cut meanwhile.`,
    );
  if (length === bytes) return span;
  const picked = Buffer.allocUnsafe(bytes);
  let filled = 0;
  for (const range of run) filled += span.copy(picked, filled, range.start - start, range.end - start);
  return picked;
}

/** Descriptors kept open between reads: the shards of a parallel layout are read in turns. */
class OpenFiles {
  readonly #descriptors = new Map<string, number>();

  descriptor(path: string): number {
    let descriptor = this.#descriptors.get(path);
    if (descriptor === undefined) {
      if (this.#descriptors.size >= MAX_OPEN_FILES) this.close();
      descriptor = openInputFile(path);
      this.#descriptors.set(path, descriptor);
    }
    return descriptor;
  }

  close(): void {
    for (const descriptor of this.#descriptors.values()) closeSync(descriptor);
    this.#descriptors.clear();
  }
}

const MAX_OPEN_FILES = 64;
