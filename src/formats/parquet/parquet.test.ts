import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, describe, expect, test } from 'vitest';
import { RecordFault, readRecords } from '../index.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-parquet-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'rows.parquet');

type WriteOptions = Omit<Parameters<typeof parquetWriteBuffer>[0], 'columnData'>;

function write(columnData: ColumnSource[], options: WriteOptions = {}): void {
  const compressors = { GZIP: gzipSync, BROTLI: brotliCompressSync };
  writeFileSync(path, new Uint8Array(parquetWriteBuffer({ columnData, compressors, ...options })));
}

async function read(): Promise<[number, unknown][]> {
  const rows: [number, unknown][] = [];
  for await (const { line, value } of readRecords(path)) rows.push([line, value]);
  return rows;
}

const texts = Array.from({ length: 25 }, (_, index) => `第${index}行 ${'text '.repeat(index)}`);

test.each(['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'BROTLI'] as const)('%s, several row groups', async (codec) => {
  write([{ name: 'text', data: texts, type: 'STRING' }], { codec, rowGroupSize: 10 });
  expect(await read()).toEqual(texts.map((text, index) => [index + 1, { text }]));
});

test('lists of structs, as chat sets have them', async () => {
  const rows = [
    [
      { role: 'user', content: '问' },
      { role: 'assistant', content: '答' },
    ],
    [],
    [
      { role: 'user', content: 'q' },
      { role: 'assistant', content: 'a' },
      { role: 'user', content: 'r' },
    ],
  ];
  write([{ name: 'messages', data: rows }], {
    schema: [
      { name: 'root', num_children: 1 },
      { name: 'messages', num_children: 1, converted_type: 'LIST', repetition_type: 'OPTIONAL' },
      { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
      { name: 'element', num_children: 2, repetition_type: 'OPTIONAL' },
      { name: 'role', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      { name: 'content', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
    ],
    rowGroupSize: 2,
  });
  expect(await read()).toEqual(rows.map((messages, index) => [index + 1, { messages }]));
});

test('values become plain JSON values', async () => {
  write([
    { name: 'whole', data: [1n, 2n ** 60n], type: 'INT64' },
    { name: 'real', data: [0.5, -1], type: 'DOUBLE' },
    { name: 'flag', data: [true, false], type: 'BOOLEAN' },
    { name: 'time', data: [new Date(0), new Date(1e12)], type: 'TIMESTAMP' },
    { name: 'none', data: ['x', null], type: 'STRING', nullable: true },
    { name: 'bytes', data: [Uint8Array.of(104, 105), Uint8Array.of(1)], type: 'BYTE_ARRAY' },
  ]);
  const [[, first] = [], [, second] = []] = await read();
  expect(first).toMatchObject({
    whole: 1,
    real: 0.5,
    flag: true,
    time: '1970-01-01T00:00:00.000Z',
    none: 'x',
  });
  expect(second).toMatchObject({ whole: '1152921504606846976', none: null });
});

describe('damaged files', () => {
  const refused = async (change: (bytes: Buffer) => Buffer, message: RegExp): Promise<void> => {
    write([{ name: 'text', data: texts, type: 'STRING' }], { codec: 'UNCOMPRESSED', rowGroupSize: 10 });
    writeFileSync(path, change(readFileSync(path)));
    await expect(read()).rejects.toThrow(RecordFault);
    await expect(read()).rejects.toThrow(message);
  };

  test('cut off', () => refused((bytes) => bytes.subarray(0, -30), /rows\.parquet does not end with PAR1/));
  test('a footer that is longer than the file', () =>
    refused((bytes) => {
      bytes.writeUInt32LE(99_999, bytes.length - 8);
      return bytes;
    }, /the parquet footer claims 99999 bytes, the file has \d+/));
  test('a page of other bytes', () =>
    refused((bytes) => {
      bytes.fill(0x5a, 4, 60);
      return bytes;
    }, /rows\.parquet: row group 1 \(rows 1 to 10\) cannot be read: /));
  test('a text that is not UTF-8', () =>
    refused((bytes) => {
      bytes[bytes.indexOf('第1行')] = 0xff;
      return bytes;
    }, /row group 1 \(rows 1 to 10\) cannot be read: a text is not valid UTF-8/));
});
