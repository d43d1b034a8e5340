import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, describe, expect, test } from 'vitest';
import { requires } from '../../../tests/support/requires.js';
import { sharedCases } from '../../../tests/support/shared-cases.js';
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

const shared = sharedCases('data');

describe('files that Arrow writes', requires(shared !== undefined, '../shared/cases is absent'), () => {
  const rowsOf = async (name: string, keys?: ReadonlySet<string>): Promise<unknown[]> => {
    const rows: unknown[] = [];
    for await (const { value } of readRecords(`${shared}/${name}`, { keys })) rows.push(value);
    return rows;
  };

  test('q-bytes: a column of pictures that nobody reads', async () => {
    const rows = await rowsOf('q-bytes.parquet', new Set(['instruction', 'input', 'output']));
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) expect(row).toMatchObject({ instruction: 'Say hi', image: null });
    // Read as a whole its bytes are base64.
    const [whole] = await rowsOf('q-bytes.parquet');
    expect(whole).toMatchObject({ image: expect.stringMatching(/^[A-Za-z0-9+/]+=*$/) });
  });

  test('p-delta: texts that begin as the one before (DELTA_BYTE_ARRAY)', async () => {
    const [hi, ho] = [
      { instruction: 'Say hi', input: '', output: 'hi' },
      { instruction: 'Say ho', input: 'x', output: 'ho' },
    ];
    expect(await rowsOf('p-delta.parquet')).toEqual(
      Array.from({ length: 100 }, (_, row) => (row % 2 === 0 ? hi : ho)),
    );
  });
});

test('a column that is not read may be damaged', async () => {
  write(
    [
      { name: 'text', data: texts, type: 'STRING' },
      { name: 'other', data: texts.map((text) => `other ${text}`), type: 'STRING' },
    ],
    { codec: 'UNCOMPRESSED' },
  );
  const bytes = readFileSync(path);
  bytes[bytes.indexOf('other 第1行')] = 0xff;
  writeFileSync(path, bytes);
  await expect(read()).rejects.toThrow(/not valid UTF-8/);
  const rows: unknown[] = [];
  for await (const { value } of readRecords(path, { keys: new Set(['text']) })) rows.push(value);
  expect(rows).toEqual(texts.map((text) => ({ text, other: null })));
  const none: unknown[] = [];
  for await (const { value } of readRecords(path, { keys: new Set(['absent']) })) none.push(value);
  expect(none).toEqual(texts.map(() => ({ text: null, other: null })));
});

describe.each(['UNCOMPRESSED', 'SNAPPY'] as const)('encodings, %s', (codec) => {
  const numbers = Array.from({ length: 300 }, (_, index) => ((index * 7919) % 1000) - 500);
  test.each<[string, ColumnSource]>([
    ['DELTA_BYTE_ARRAY', { name: 'x', data: texts, type: 'STRING', encoding: 'DELTA_BYTE_ARRAY' }],
    [
      'DELTA_LENGTH_BYTE_ARRAY',
      { name: 'x', data: texts, type: 'STRING', encoding: 'DELTA_LENGTH_BYTE_ARRAY' },
    ],
    ['DELTA_BINARY_PACKED', { name: 'x', data: numbers, type: 'INT32', encoding: 'DELTA_BINARY_PACKED' }],
    ['BYTE_STREAM_SPLIT', { name: 'x', data: numbers, type: 'DOUBLE', encoding: 'BYTE_STREAM_SPLIT' }],
    ['RLE', { name: 'x', data: numbers.map((value) => value > 0), type: 'BOOLEAN', encoding: 'RLE' }],
  ])('%s', async (_, column) => {
    write([column], { codec, rowGroupSize: 100 });
    expect((await read()).map(([, value]) => value)).toEqual(Array.from(column.data, (x) => ({ x })));
  });

  test('texts with gaps', async () => {
    const data = texts.map((text, index) => (index % 3 === 0 ? null : text));
    for (const encoding of ['DELTA_BYTE_ARRAY', 'DELTA_LENGTH_BYTE_ARRAY'] as const) {
      write([{ name: 'x', data, type: 'STRING', nullable: true, encoding }], { codec });
      expect((await read()).map(([, value]) => value)).toEqual(data.map((x) => ({ x })));
    }
  });
});
