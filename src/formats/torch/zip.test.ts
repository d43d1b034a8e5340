import { describe, expect, it } from 'vitest';
import type { InputFile } from '../files/input-file.js';
import { readZipEntries, readZipEntry } from './zip-reader.js';
import { ZipWriter } from './zip-writer.js';

function inMemory(bytes: Buffer): InputFile {
  return {
    path: 'a.zip',
    size: bytes.length,
    read: (offset, length) => bytes.subarray(offset, offset + length),
  };
}

function written(entries: readonly (readonly [name: string, content: string])[], alignment?: number): Buffer {
  const chunks: Uint8Array[] = [];
  const zip = new ZipWriter((chunk) => chunks.push(Buffer.from(chunk)), alignment);
  for (const [name, content] of entries)
    zip.entry(name, content.length, (write) => write(Buffer.from(content)));
  zip.finish();
  return Buffer.concat(chunks);
}

const sound = (): Buffer =>
  written([
    ['a', 'first'],
    ['b', 'second'],
    ['c', ''],
  ]);
const central = (bytes: Buffer, index: number): number => {
  let at = -1;
  for (let found = 0; found <= index; found++) at = bytes.indexOf('PK\x01\x02', at + 1, 'latin1');
  return at;
};

describe('zip archives', () => {
  it('come back as written, every entry aligned', () => {
    const file = inMemory(sound());
    const entries = readZipEntries(file);
    expect([...entries.values()].map((entry) => readZipEntry(file, entry, 100).toString())).toEqual([
      'first',
      'second',
      '',
    ]);
    expect([...entries.values()].every(({ start }) => start % 64 === 0)).toBe(true);
  });

  it('with more than 65535 entries are zip64', () => {
    const file = inMemory(
      written(
        Array.from({ length: 70_000 }, (_, index) => [`n${index}`, 'x']),
        1,
      ),
    );
    expect(readZipEntries(file).size).toBe(70_000);
  });

  it('with two entries of one name are refused', () => {
    const twice = written([
      ['a', 'x'],
      ['a', 'y'],
    ]);
    expect(() => readZipEntries(inMemory(twice))).toThrow('two entries are named "a"');
  });

  it.each<[string, (bytes: Buffer) => void, RegExp]>([
    [
      'two sizes of a stored entry',
      (bytes) => bytes.writeUInt32LE(bytes.readUInt32LE(central(bytes, 0) + 20) + 70, central(bytes, 0) + 20),
      /two sizes, 5 and 75/,
    ],
    ['an entry into the next', (bytes) => grow(bytes, 0, 70), /entries "a" and "b" overlap at byte/],
    ['an entry into the directory', (bytes) => grow(bytes, 1, 300), /ends at byte \d+, within the directory/],
    [
      'a local header elsewhere',
      (bytes) => bytes.writeUInt32LE(5, central(bytes, 0) + 42),
      /the local header at byte 5 is missing/,
    ],
    [
      'another name in the local header',
      (bytes) => (bytes[30] = 0x7a),
      /the local header at byte 0 names "z"/,
    ],
    ['an encrypted entry', (bytes) => (bytes[central(bytes, 0) + 8] = 1), /"a" is encrypted/],
    [
      'another part of an archive',
      (bytes) => (bytes[bytes.length - 18] = 1),
      /one part of a zip archive in several parts/,
    ],
    ['a false count', (bytes) => bytes.writeUInt16LE(900, bytes.length - 12), /cannot hold 900 entries/],
    [
      'a directory beyond the file',
      (bytes) => bytes.writeUInt32LE(2 ** 31, bytes.length - 6),
      /leaves the file/,
    ],
    ['no end', (bytes) => bytes.fill(0, bytes.length - 22), /no end record/],
  ])('%s: refused', (_, change, message) => {
    const bytes = sound();
    change(bytes);
    expect(() => readZipEntries(inMemory(bytes))).toThrow(message);
  });
});

/** Adds to both sizes of an entry in the directory. */
function grow(bytes: Buffer, index: number, by: number): void {
  for (const field of [20, 24]) {
    const at = central(bytes, index) + field;
    bytes.writeUInt32LE(bytes.readUInt32LE(at) + by, at);
  }
}
