import { createHash } from 'node:crypto';
import { withInputFile } from './input-file.js';

const CHUNK_BYTES = 2 ** 20;

/** SHA-256 of a file's bytes, in hexadecimal; read chunk by chunk. @throws InputError if it cannot be read */
export function sha256OfFile(path: string): string {
  return withInputFile(path, (file) => {
    const hash = createHash('sha256');
    // One for all chunks: JavaScript would keep those it no longer needs for long.
    const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, file.size));
    for (let offset = 0; offset < file.size; offset += chunk.length)
      hash.update(file.read(offset, chunk.length, chunk));
    return hash.digest('hex');
  });
}
