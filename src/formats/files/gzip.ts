/** The bytes of a file in chunks, decompressed if it is gzip (RFC 1952). */
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { RecordFault } from '../records/record-file-fault.js';
import { openInputFile, readError, readFully } from './input-file.js';

const CHUNK_BYTES = 2 ** 18;

/** Told by content: the two magic bytes. */
export function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

/**
 * Pieces of at most 256 KiB, whatever the file unpacks to: the reader decides how much of it is kept.
 * @throws InputError for a missing or unreadable file; RecordFault (line 0) for gzip data that is damaged or cut off
 */
export async function* readByteChunks(path: string): AsyncGenerator<Buffer, void> {
  const descriptor = openInputFile(path);
  const packed = isGzip(readFully(descriptor, 0, 2));
  const file = createReadStream(path, { fd: descriptor, start: 0, highWaterMark: CHUNK_BYTES });
  if (!packed) {
    try {
      for await (const chunk of file) yield chunk;
    } catch (error) {
      throw readError(path, error);
    } finally {
      file.destroy();
    }
    return;
  }
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  file.on('error', (error) => gunzip.destroy(readError(path, error)));
  file.pipe(gunzip);
  let unpacked = 0;
  try {
    for await (const chunk of gunzip) {
      unpacked += chunk.length;
      yield chunk;
    }
  } catch (error) {
    throw gzipFault(path, unpacked, error);
  } finally {
    file.destroy();
    gunzip.destroy();
  }
}

function gzipFault(path: string, unpacked: number, error: unknown): Error {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (!code.startsWith('Z_')) return readError(path, error);
  const problem = code === 'Z_BUF_ERROR' ? 'the gzip data is cut off' : 'the gzip data is damaged';
  return new RecordFault(
    0,
    'damaged file',
    `${path}: ${problem} after ${unpacked} unpacked bytes; fetch or pack the file again.`,
  );
}

/** The first bytes, unpacked: `length` of them, fewer only if there are no more (or none can be unpacked). */
export async function readByteHead(path: string, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of readByteChunks(path)) {
    chunks.push(chunk);
    total += chunk.length;
    if (total >= length) break;
  }
  return Buffer.concat(chunks).subarray(0, length);
}
