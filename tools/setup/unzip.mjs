// Unpacks chosen entries of a zip file (a Python wheel is one), a stream at a time. No zip64: no wheel needs it.
import { createReadStream, createWriteStream, mkdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join, normalize, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import { interruption } from './run-program.mjs';

const endSignature = 0x06054b50;
const endLength = 22;
const entrySignature = 0x02014b50;
const storedMethod = 0;
const deflatedMethod = 8;

/**
 * @typedef {{ name: string, method: number, compressedSize: number, size: number, offset: number }} Entry
 *   offset: of the entry's local header
 */

/**
 * @param {string} file
 * @param {string} folder
 * @param {(name: string) => boolean} wanted by the entry's name, slashes between folders
 * @returns {Promise<number>} bytes written
 * @throws Error when the file is not a whole zip file
 */
export async function unzip(file, folder, wanted) {
  const handle = await open(file);
  try {
    let bytes = 0;
    for (const entry of await readDirectory(handle, file)) {
      if (!wanted(entry.name) || entry.name.endsWith('/')) continue;
      await writeEntry(handle, file, entry, targetPath(folder, entry.name));
      bytes += entry.size;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}

/** @param {string} folder @param {string} name @returns {string} never outside the folder */
function targetPath(folder, name) {
  const path = normalize(name);
  if (path.startsWith('..') || path.startsWith(sep)) throw new Error(`zip entry leaves its folder: ${name}`);
  return join(folder, path);
}

/**
 * @param {import('node:fs/promises').FileHandle} handle @param {string} file
 * @returns {Promise<Entry[]>}
 */
async function readDirectory(handle, file) {
  const { size: fileSize } = await handle.stat();
  const tail = await readAt(handle, Math.max(0, fileSize - endLength - 0xffff), fileSize);
  const signature = Buffer.alloc(4);
  signature.writeUInt32LE(endSignature);
  const end = tail.lastIndexOf(signature);
  if (end < 0 || end + endLength > tail.length)
    throw new Error(`${file}: not a whole zip file (no directory)`);
  const start = tail.readUInt32LE(end + 16);
  const directory = await readAt(handle, start, start + tail.readUInt32LE(end + 12));
  /** @type {Entry[]} */
  const entries = [];
  for (let at = 0; at + 46 <= directory.length; ) {
    if (directory.readUInt32LE(at) !== entrySignature)
      throw new Error(`${file}: damaged zip directory at ${at}`);
    const nameLength = directory.readUInt16LE(at + 28);
    entries.push({
      name: directory.toString('utf8', at + 46, at + 46 + nameLength),
      method: directory.readUInt16LE(at + 10),
      compressedSize: directory.readUInt32LE(at + 20),
      size: directory.readUInt32LE(at + 24),
      offset: directory.readUInt32LE(at + 42),
    });
    at += 46 + nameLength + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return entries;
}

/**
 * @param {import('node:fs/promises').FileHandle} handle @param {string} file @param {Entry} entry
 * @param {string} path
 */
async function writeEntry(handle, file, entry, path) {
  if (entry.method !== storedMethod && entry.method !== deflatedMethod)
    throw new Error(`${file}: ${entry.name} is packed by method ${entry.method}; known are 0 and 8`);
  const header = await readAt(handle, entry.offset, entry.offset + 30);
  const start = entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  mkdirSync(dirname(path), { recursive: true });
  const { signal } = interruption;
  const output = createWriteStream(path);
  if (entry.size === 0) {
    output.end();
    return;
  }
  const input = createReadStream(file, { start, end: start + entry.compressedSize - 1 });
  if (entry.method === storedMethod) await pipeline(input, output, { signal });
  else await pipeline(input, createInflateRaw(), output, { signal });
  if (output.bytesWritten !== entry.size)
    throw new Error(
      `${file}: ${entry.name} has ${output.bytesWritten} bytes, its directory says ${entry.size}`,
    );
}

/**
 * @param {import('node:fs/promises').FileHandle} handle @param {number} start @param {number} end
 * @returns {Promise<Buffer>}
 */
async function readAt(handle, start, end) {
  const buffer = Buffer.alloc(end - start);
  const { bytesRead } = await handle.read(buffer, 0, buffer.length, start);
  return buffer.subarray(0, bytesRead);
}
