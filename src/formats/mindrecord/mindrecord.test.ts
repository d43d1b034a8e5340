import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import initSqlJs from 'sql.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { goldenFolder, goldenJson } from '../../../tests/support/golden.js';
import { InputError } from '../../errors/index.js';
import { buildMindRecordIndex } from './mindrecord-index.js';
import { type MindRecordFile, openMindRecord } from './mindrecord-reader.js';
import type { MindRecordInputRow } from './mindrecord-row.js';
import type { MindRecordColumn } from './mindrecord-schema.js';
import { MindRecordWriter, writeMindRecord } from './mindrecord-writer.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mindrecord-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const golden = join(goldenFolder, 'mindrecord');
const SMALL = { headerBytes: 2 ** 14, pageBytes: 2 ** 15 };

const rowsOf = (file: MindRecordFile): unknown[] =>
  Array.from({ length: file.rowCount }, (_, index) => file.row(index));
const int64 = (values: readonly number[]): BigInt64Array => BigInt64Array.from(values, BigInt);

async function tablesOf(index: Uint8Array): Promise<unknown> {
  const { Database } = await initSqlJs();
  const database = new Database(index);
  const tables = ['INDEXES', 'SHARD_NAME'].map((table) => database.exec(`SELECT * FROM ${table}`)[0]);
  database.close();
  return tables;
}

describe('the golden files', () => {
  const expected = goldenJson<{
    readonly pretrain_rows: number[][];
    readonly sft_rows: { readonly input_ids: number[]; readonly loss_mask: number[] }[];
  }>('dataprep/spark_rows_32.json');
  const sftRows = expected.sft_rows.map(({ input_ids, loss_mask }) => ({
    input_ids: int64(input_ids),
    loss_mask: int64(loss_mask),
  }));

  it('hold the rows that were prepared', () => {
    const pretrain = openMindRecord(join(golden, 'pretrain.mindrecord'));
    expect(pretrain.columns).toEqual([{ name: 'input_ids', type: 'int64', shape: [-1] }]);
    expect(rowsOf(pretrain)).toEqual(expected.pretrain_rows.map((ids) => ({ input_ids: int64(ids) })));
    expect(rowsOf(openMindRecord(join(golden, 'sft.mindrecord')))).toEqual(sftRows);
  });

  it('are read with the default sizes of header and pages, too, and without their .db', () => {
    const path = join(folder, 'sft_default.mindrecord');
    writeFileSync(path, gunzipSync(readFileSync(join(golden, 'sft_default.mindrecord.gz'))));
    expect(rowsOf(openMindRecord(path))).toEqual(sftRows);
  });

  it.each(['pretrain', 'sft'])('%s has the index that we build from it', async (name) => {
    const path = join(golden, `${name}.mindrecord`);
    const ours = await tablesOf(await buildMindRecordIndex(path, `${name}.mindrecord`));
    expect(ours).toEqual(await tablesOf(readFileSync(`${path}.db`)));
  });

  it('are written again byte for byte', async () => {
    const path = join(folder, 'sft.mindrecord');
    const columns = openMindRecord(join(golden, 'sft.mindrecord')).columns;
    await writeMindRecord(path, columns, sftRows, SMALL);
    expect(Buffer.compare(readFileSync(path), readFileSync(join(golden, 'sft.mindrecord')))).toBe(0);
  });
});

const COLUMNS: readonly MindRecordColumn[] = [
  { name: 'ids', type: 'int64', shape: [-1] },
  { name: 'pairs', type: 'int32', shape: [-1, 2] },
  { name: 'weights', type: 'float32', shape: [3] },
  { name: 'exact', type: 'float64', shape: [-1] },
  { name: 'image', type: 'bytes' },
  { name: 'label', type: 'int32' },
  { name: 'big', type: 'int64' },
  { name: 'score', type: 'float32' },
  { name: 'precise', type: 'float64' },
  { name: 'text', type: 'string' },
];

function rowOf(index: number): MindRecordInputRow {
  return {
    ids: BigInt64Array.from([
      0n,
      -1n,
      127n,
      128n,
      -129n,
      2n ** 31n,
      -(2n ** 63n),
      2n ** 63n - 1n,
      BigInt(index),
    ]),
    pairs: Int32Array.from({ length: 2 * (index % 3) }, (_, at) => at * 100_000 - index),
    weights: Float32Array.of(index, 0.1, -1e30),
    exact: Float64Array.from({ length: index % 2 }, () => Math.PI),
    image: Buffer.alloc((index % 5) * 3000, index),
    label: index - 40_000,
    big: 2n ** 62n - BigInt(index),
    score: Math.fround(index / 10),
    precise: index / 10,
    text: `第${index}行 "'\n${'x'.repeat((index % 7) * 20)}`,
  };
}

describe('MindRecordWriter', () => {
  it.each([1, 4])('writes %i shards that are read with all columns', async (shards) => {
    const path = join(folder, `columns-${shards}.mindrecord`);
    const rows = Array.from({ length: 61 }, (_, index) => rowOf(index));
    const paths = await writeMindRecord(path, COLUMNS, rows, { ...SMALL, shards, description: '说明' });
    expect(paths).toEqual(shards === 1 ? [path] : [0, 1, 2, 3].map((shard) => `${path}${shard}`));
    const file = openMindRecord(paths.at(-1) ?? '');
    expect(file.paths).toEqual(paths);
    expect(file.description).toBe('说明');
    expect(file.rowCount).toBe(rows.length);
    const order = Array.from({ length: shards }, (_, shard) =>
      rows.filter((_row, index) => index % shards === shard),
    );
    expect(rowsOf(file)).toEqual(order.flat());
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
  });

  it('fills several raw pages where single values are larger than arrays', async () => {
    const path = join(folder, 'texts.mindrecord');
    const columns: MindRecordColumn[] = [
      { name: 'mask', type: 'int32', shape: [-1] },
      { name: 'text', type: 'string' },
    ];
    const rows = Array.from({ length: 30 }, (_, index) => ({
      mask: Int32Array.of(index),
      text: String(index).repeat(5000),
    }));
    await writeMindRecord(path, columns, rows, SMALL);
    expect(rowsOf(openMindRecord(path))).toEqual(rows);
  });

  it('writes empty shards and an empty data set', async () => {
    const path = join(folder, 'few.mindrecord');
    const columns: MindRecordColumn[] = [{ name: 'a', type: 'int32', shape: [-1] }];
    await writeMindRecord(path, columns, [{ a: [7] }], { shards: 3 });
    expect(rowsOf(openMindRecord(`${path}1`))).toEqual([{ a: Int32Array.of(7) }]);
    await writeMindRecord(path, columns, []);
    expect(openMindRecord(path).rowCount).toBe(0);
  });

  it('writes more shards than files may be open at once', async () => {
    const path = join(folder, 'many', 'm.mindrecord');
    mkdirSync(join(folder, 'many'));
    const rows = Array.from({ length: 300 }, (_, index) => ({ a: index }));
    const paths = await writeMindRecord(path, [{ name: 'a', type: 'int32' }], rows, {
      ...SMALL,
      shards: 150,
    });
    expect(paths.at(-1)).toBe(`${path}149`);
    expect(paths[0]).toBe(`${path}000`);
    const file = openMindRecord(`${path}077`);
    expect(file.rowCount).toBe(300);
    expect(file.row(155)).toEqual({ a: 227 });
  });

  it('leaves nothing after a failure, and what stood there before', async () => {
    const path = join(folder, 'failed', 'a.mindrecord');
    mkdirSync(join(folder, 'failed'));
    writeFileSync(path, 'before');
    const columns: MindRecordColumn[] = [{ name: 'a', type: 'bytes' }];
    function* failing(): Generator<MindRecordInputRow> {
      yield { a: Buffer.from('x') };
      throw new Error('source failed');
    }
    await expect(writeMindRecord(path, columns, failing())).rejects.toThrow('source failed');
    const large = [{ a: Buffer.alloc(40_000) }];
    await expect(writeMindRecord(path, columns, large, SMALL)).rejects.toThrow(
      'row 0 has 40008 bytes, more than a page',
    );
    await expect(writeMindRecord(path, columns, [{ a: Buffer.alloc(0) }])).rejects.toThrow(
      'is empty in the only',
    );
    const many = Array.from({ length: 300 }, () => ({ a: Buffer.alloc(30_000, 1) }));
    await expect(writeMindRecord(path, columns, many, SMALL)).rejects.toThrow(
      /header needs \d+ bytes for its 301 pages/,
    );
    expect(readdirSync(join(folder, 'failed'))).toEqual(['a.mindrecord']);
    expect(readFileSync(path, 'utf8')).toBe('before');
  });

  it.each<[string, MindRecordColumn, MindRecordInputRow, string]>([
    ['a missing value', { name: 'a', type: 'int32' }, {}, 'Column "a" is int32, got nothing'],
    [
      'a surplus value',
      { name: 'a', type: 'int32' },
      { a: 1, b: 2 },
      'has the value "b", which is no column',
    ],
    ['an int32 beyond its range', { name: 'a', type: 'int32' }, { a: 2 ** 31 }, 'is int32, got 2147483648'],
    ['a fraction in integers', { name: 'a', type: 'int64', shape: [-1] }, { a: [0.5] }, '0.5 is no integer'],
    [
      'values that do not fit',
      { name: 'a', type: 'int32', shape: [-1, 2] },
      { a: [1, 2, 3] },
      'got "3 values"',
    ],
  ])('refuses %s', (_, column, row, problem) => {
    const writer = new MindRecordWriter(join(folder, 'unfit.mindrecord'), [column]);
    expect(() => writer.add(row)).toThrow(problem);
    writer.abort();
  });

  it('refuses options and columns that MindSpore would', () => {
    const path = join(folder, 'options.mindrecord');
    const column: MindRecordColumn = { name: 'a', type: 'int32' };
    const open = (columns: MindRecordColumn[], options = {}): string => {
      try {
        new MindRecordWriter(path, columns, options).abort();
      } catch (error) {
        if (error instanceof InputError) return error.message;
        throw error;
      }
      return 'opened';
    };
    expect(open([column], { pageBytes: 1000 })).toContain(
      'page bytes must be 32768 to 268435456 in steps of 4',
    );
    expect(open([column], { shards: 0 })).toContain('shards must be 1 to 1000');
    expect(open([])).toContain('at least one column');
    expect(open([column, column])).toContain('is named twice');
    expect(open([{ name: 'a-b', type: 'int32' }])).toContain('letters, digits and underscores');
    expect(open([{ name: 'a', type: 'string', shape: [-1] }])).toContain('cannot have a shape');
    expect(open([{ name: 'a', type: 'int32', shape: [-1, -1] }])).toContain('at most one -1');
    expect(readdirSync(folder).filter((name) => name.startsWith('options'))).toEqual([]);
  });
});

describe('openMindRecord', () => {
  const refusal = (path: string): string => {
    try {
      rowsOf(openMindRecord(path));
    } catch (error) {
      if (error instanceof InputError) return error.message;
      throw error;
    }
    throw new Error('was read');
  };

  it('reads a single file under another name, and refuses a renamed, missing or foreign shard', async () => {
    const here = join(folder, 'shards');
    mkdirSync(here);
    const path = join(here, 'a.mindrecord');
    const columns: MindRecordColumn[] = [{ name: 'a', type: 'int32' }];
    const rows = [{ a: 1 }, { a: 2 }, { a: 3 }];
    await writeMindRecord(path, columns, rows);
    renameSync(path, join(here, 'renamed'));
    expect(rowsOf(openMindRecord(join(here, 'renamed')))).toEqual(rows);
    await writeMindRecord(path, columns, rows, { shards: 2 });
    copyFileSync(`${path}1`, join(here, 'copy'));
    expect(refusal(join(here, 'copy'))).toContain('calls itself a.mindrecord1');
    copyFileSync(`${path}1`, `${path}0`);
    expect(refusal(`${path}1`)).toContain('a.mindrecord0 is not of the same data set');
    rmSync(`${path}0`);
    expect(refusal(`${path}1`)).toContain('a.mindrecord0 is missing');
  });

  it('refuses damage by naming file, row and place', () => {
    const path = join(folder, 'damaged.mindrecord');
    const valid = readFileSync(join(golden, 'sft.mindrecord'));
    const changed = (at: number, bytes: Buffer | string): string => {
      const copy = Buffer.from(valid);
      copy.set(Buffer.from(bytes), at);
      writeFileSync(path, copy);
      return refusal(path);
    };
    expect(changed(0, Buffer.alloc(8, 255))).toMatch(/a header of \d+ bytes is claimed/);
    expect(changed(2 ** 14, Buffer.alloc(8, 255))).toContain(
      'page 0, byte 16384 of the file: the length of a row is',
    );
    expect(changed(2 ** 14 + 8, Buffer.alloc(8, 255))).toContain('row 0, column "input_ids": it claims');
    expect(changed(2 ** 14 + 16, Buffer.alloc(4, 255))).toContain('it claims 4294967295 values in');
    const at = (text: string): number => valid.indexOf(text);
    expect(changed(at('"end_row_id":18'), '"end_row_id":99')).toMatch(
      /page 0, byte \d+ of the file|claims 99 rows/,
    );
    expect(changed(at('"int64"'), '"int46"')).toContain('unknown type "int46"');
    expect(changed(at('"version":"3.0"'), '"version":"2.0"')).toContain('version "2.0"');
    writeFileSync(path, Buffer.concat([Buffer.alloc(100, 255), Buffer.from('ENCRYPT')]));
    expect(refusal(path)).toContain('is encrypted');
    writeFileSync(path, valid.subarray(0, 20_000));
    expect(refusal(path)).toMatch(/page 1 ends at byte \d+, but the file has 20000/);
  });
});
