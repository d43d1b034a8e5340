/** One file of a repository into its blob: resumed where it broke off, and taken only if size and hash are those of the hub. */
import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { InputError } from '../errors/index.js';
import { fileStatus } from '../formats/index.js';
import { type HubClient, type HubResponse, PassingError } from './hub-client.js';

export interface BlobSource {
  /** Below the hub's address. */
  readonly path: string;
  /** SHA-256 of a big file (LFS), else git's SHA-1; of some mirrors anything. */
  readonly etag: string;
  readonly bytes: number;
}

const RESERVED_BYTES = 2 ** 20;

/**
 * Metadata of a file by its headers. @throws InputError where the hub does not tell size and ETag, or an ETag that is no name
 */
export async function blobSource(client: HubClient, path: string): Promise<BlobSource> {
  const response = await client.patiently(path, () =>
    client.request(path, { method: 'HEAD', leavesHost: false }),
  );
  response.cancel();
  const tag = response.headers.get('x-linked-etag') ?? response.headers.get('etag');
  const etag = tag?.replace(/^W\//, '').replace(/^"(.*)"$/, '$1') ?? '';
  const size = response.headers.get('x-linked-size') ?? response.headers.get('content-length');
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(etag))
    throw new InputError(
      `${client.endpoint}${path}: its ETag is ${JSON.stringify(tag)}; a hub gives the hash of the file.`,
    );
  if (size === null || !/^\d{1,15}$/.test(size))
    throw new InputError(
      `${client.endpoint}${path}: the hub does not say how long it is (X-Linked-Size, Content-Length).`,
    );
  return { path, etag, bytes: Number(size) };
}

/**
 * @param blob where the file goes; what has come so far lies beside it, ending in .incomplete
 * @param onBytes called with what was added; negative where it begins anew
 * @throws InputError for a file that is not what the hub says, which is removed; for a full disk
 */
export async function downloadBlob(
  client: HubClient,
  source: BlobSource,
  blob: string,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const partial = `${blob}.incomplete`;
  refuseFullDisk(partial, source);
  onBytes(fileStatus(partial)?.size ?? 0);
  let before = -1;
  await client.patiently(
    source.path,
    () => append(client, source, partial, onBytes),
    () => {
      const now = fileStatus(partial)?.size ?? 0;
      const hasMoved = now > before && before >= 0;
      before = now;
      return hasMoved;
    },
  );
  await verify(partial, source, client.endpoint);
  renameSync(partial, blob);
}

async function append(
  client: HubClient,
  { path, bytes }: BlobSource,
  partial: string,
  onBytes: (bytes: number) => void,
): Promise<void> {
  let start = fileStatus(partial)?.size ?? 0;
  const startAgain = (): void => {
    if (start > 0) truncateSync(partial);
    onBytes(-start);
    start = 0;
  };
  if (start > bytes) startAgain();
  if (start === bytes && start > 0) return;
  const response = await client.request(path, start === 0 ? {} : { headers: { range: `bytes=${start}-` } });
  if (start > 0 && !continues(response, start)) {
    // A server without ranges gives all of it.
    if (response.status === 206) {
      response.cancel();
      throw new InputError(
        `${client.endpoint}${path}: answers with another range than bytes ${start} and on.`,
      );
    }
    startAgain();
  }
  const file = openSync(partial, 'a');
  try {
    for await (const piece of response.pieces()) {
      for (let done = 0; done < piece.length; ) done += writeSync(file, piece, done);
      start += piece.length;
      onBytes(piece.length);
      if (start > bytes) break;
    }
  } finally {
    closeSync(file);
    response.cancel();
  }
  if (start < bytes) throw new PassingError(`the connection ended after ${start} of ${bytes} bytes`);
}

function continues({ status, headers }: HubResponse, start: number): boolean {
  return status === 206 && headers.get('content-range')?.startsWith(`bytes ${start}-`) === true;
}

async function verify(partial: string, { path, etag, bytes }: BlobSource, endpoint: string): Promise<void> {
  const { size = 0 } = fileStatus(partial) ?? {};
  const fail = (found: string, wanted: string): never => {
    rmSync(partial, { force: true });
    throw new InputError(
      `${endpoint}${path}: has ${found}, and the hub says ${wanted}; it was removed, fetch it again.`,
    );
  };
  if (size !== bytes) fail(`${size} bytes`, `${bytes}`);
  if (/^[0-9a-f]{64}$/.test(etag)) {
    const hash = await hashOf(partial, 'sha256', '');
    if (hash !== etag) fail(`SHA-256 ${hash}`, etag);
  } else if (/^[0-9a-f]{40}$/.test(etag)) {
    const hash = await hashOf(partial, 'sha1', `blob ${bytes}\0`);
    if (hash !== etag) fail(`git's SHA-1 ${hash}`, etag);
  }
}

async function hashOf(path: string, algorithm: string, head: string): Promise<string> {
  const hash = createHash(algorithm).update(head);
  for await (const piece of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(piece);
  return hash.digest('hex');
}

function refuseFullDisk(partial: string, { path, bytes }: BlobSource): void {
  const { bavail, bsize } = statfsSync(dirname(partial));
  const needed = bytes - (fileStatus(partial)?.size ?? 0) + RESERVED_BYTES;
  if (bavail * bsize >= needed) return;
  throw new InputError(
    `${path} needs ${needed} bytes, and the disk of ${dirname(partial)} has ${bavail * bsize} free.`,
  );
}
