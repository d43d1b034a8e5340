/** `--input -`: what comes on stdin. Readers go back and forth in a file, and a pipe cannot; so it is kept in one for that time. */
import { closeSync, mkdtempSync, openSync, readSync, rmdirSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InputError, isSystemError } from '../errors/index.js';

/** The word for stdin in the place of a file. */
const STDIN = '-';

export const isStandardInput = (input: string): boolean => input === STDIN;

/**
 * Hands the path of `input` to `use`; for `-` that of a nameless temporary file with all that came on stdin. Messages say
 * "stdin" then. The format is told by the content, as there is no name.
 * @throws InputError on a terminal, where nobody has piped anything; what `use` throws
 */
export async function withInputPath<T>(input: string, use: (path: string) => T | Promise<T>): Promise<T> {
  if (!isStandardInput(input)) return await use(input);
  if (process.stdin.isTTY === true)
    throw new InputError('--input - reads from stdin, which is a terminal; pipe a file into it.');
  const descriptor = keepStandardInput();
  const path = `/dev/fd/${descriptor}`;
  try {
    return await use(path);
  } catch (error) {
    if (error instanceof InputError && error.message.includes(path))
      throw new InputError(nameStandardInput(error.message));
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

/** A message with the word that people know for the path that only we do. */
export function nameStandardInput(message: string): string {
  return message.replace(/\/dev\/fd\/\d+/g, 'stdin');
}

/** The descriptor of a file that has no name any more: it goes with the process, however that ends. */
function keepStandardInput(): number {
  const folder = mkdtempSync(join(tmpdir(), 'xinghe-stdin-'));
  const path = join(folder, 'stdin');
  const descriptor = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  rmdirSync(folder);
  try {
    const chunk = Buffer.alloc(2 ** 20);
    for (let count = readChunk(chunk); count > 0; count = readChunk(chunk))
      for (let done = 0; done < count; ) done += writeSync(descriptor, chunk, done, count - done);
    return descriptor;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** A pipe that Node has made non-blocking may have nothing yet. */
function readChunk(chunk: Buffer): number {
  for (;;) {
    try {
      return readSync(0, chunk);
    } catch (error) {
      if (isSystemError(error) && error.code === 'EOF') return 0;
      if (!isSystemError(error) || error.code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}
