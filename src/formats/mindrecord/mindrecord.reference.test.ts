import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { referencePython, runReference } from '../../../tests/support/reference.js';
import { openMindRecord } from './mindrecord-reader.js';
import type { MindRecordInput, MindRecordInputRow } from './mindrecord-row.js';
import type { MindRecordColumn } from './mindrecord-schema.js';
import { writeMindRecord } from './mindrecord-writer.js';

const python = referencePython();

const COLUMNS: readonly MindRecordColumn[] = [
  { name: 'ids', type: 'int64', shape: [-1] },
  { name: 'pairs', type: 'int32', shape: [-1, 2] },
  { name: 'weights', type: 'float32', shape: [3] },
  { name: 'exact', type: 'float64', shape: [2, -1] },
  { name: 'image', type: 'bytes' },
  { name: 'label', type: 'int32' },
  { name: 'big', type: 'int64' },
  { name: 'score', type: 'float32' },
  { name: 'precise', type: 'float64' },
  { name: 'text', type: 'string' },
];

const rowOf = (index: number): MindRecordInputRow => ({
  ids: BigInt64Array.from([-1n, 127n, 128n, -129n, 2n ** 31n, -(2n ** 62n), BigInt(index)]),
  pairs: Int32Array.from({ length: 2 + 2 * (index % 3) }, (_, at) => at * 100_000 - index),
  weights: Float32Array.of(index, 0.1, -1e30),
  exact: Float64Array.from([Math.PI, index]),
  image: Buffer.alloc(1 + (index % 5) * 2000, index + 1),
  label: index - 40_000,
  big: 2n ** 52n - BigInt(index),
  score: index + 0.25,
  precise: index + 0.125,
  text: `第${index}行 '"${'x'.repeat((index % 7) * 20)}`,
});

/** Prints the rows of each data set of ours, reads with FileReader the first, and writes three with FileWriter. */
const PROGRAM = `
import sys, os, json, numpy as np
import mindspore.dataset as ds
from mindspore.mindrecord import FileWriter, FileReader
*ours, folder = sys.argv[1:]
def plain(v):
    v = np.asarray(v)
    if v.dtype.kind == "S": return v.tobytes().hex()
    if v.dtype.kind == "U": return str(v)
    return [int(x) if v.dtype.kind in "iu" else float(x) for x in v.reshape(-1)]
def shown(row): return {k: plain(v) for k, v in row.items()}
read = [[shown(r) for r in ds.MindDataset(p, shuffle=False, num_parallel_workers=1).create_dict_iterator(num_epochs=1, output_numpy=True)] for p in ours]
def write(name, schema, rows, **options):
    w = FileWriter(os.path.join(folder, name), overwrite=True, **options)
    w.add_schema(schema, "theirs"); w.set_page_size(32768); w.set_header_size(16384)
    for at in range(0, len(rows), 7): w.write_raw_data(rows[at:at + 7])
    w.commit()
A = lambda *v, dtype: np.array(v, dtype=dtype)
write("mixed.mindrecord", {"ids": {"type": "int64", "shape": [-1]}, "m": {"type": "int32", "shape": [-1, 2]}, "f": {"type": "float32", "shape": [2]},
  "d": {"type": "float64", "shape": [-1]}, "raw": {"type": "bytes"}, "n": {"type": "int32"}, "big": {"type": "int64"}, "x": {"type": "float32"},
  "y": {"type": "float64"}, "s": {"type": "string"}},
  [dict(ids=np.arange(-2, i % 9, dtype=np.int64) * 10**i, m=np.full((i % 3 + 1, 2), i * 40000, np.int32), f=A(i, .5, dtype=np.float32),
   d=A(.1, i, dtype=np.float64), raw=bytes([i]) * (5000 + i), n=-i * 1000, big=2**40 * i - 1, x=i / 4, y=i / 10, s="第%d行" % i) for i in range(18)], shard_num=4)
write("scalars.mindrecord", {"n": {"type": "int64"}, "s": {"type": "string"}}, [dict(n=v, s="s" * abs(v % 300)) for v in (0, 127, 128, 65536, -1, -33, -129, -40000, 2**40)])
write("texts.mindrecord", {"raw": {"type": "bytes"}, "s": {"type": "string"}}, [dict(raw=b"ab" * 4000, s="x" * 3000) for i in range(20)])
print(json.dumps(read))
`;

import { requiresPython } from '../../../tests/support/requires.js';

/** A value as the program prints it. */
function shown(value: MindRecordInput): unknown {
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return typeof value === 'object' ? Array.from(value, Number) : [Number(value)];
}

describe('MindSpore and our MindRecord files', requiresPython(python), () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mindrecord-reference-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('reads one and four shards of ours with all rows and columns; we read what its FileWriter writes', async () => {
    if (python === undefined) return;
    const rows = Array.from({ length: 61 }, (_, index) => rowOf(index));
    const sizes = { headerBytes: 2 ** 14, pageBytes: 2 ** 15 };
    const one = await writeMindRecord(join(folder, 'one.mindrecord'), COLUMNS, rows, sizes);
    const four = await writeMindRecord(join(folder, 'four.mindrecord'), COLUMNS, rows, {
      ...sizes,
      shards: 4,
    });
    const ids: MindRecordColumn[] = [{ name: 'input_ids', type: 'int64', shape: [-1] }];
    const idRows = rows.map((_, index) => ({
      input_ids: Array.from({ length: 33 }, (_v, at) => at * index * 50),
    }));
    const defaults = await writeMindRecord(join(folder, 'defaults.mindrecord'), ids, idRows);
    const scalars: MindRecordColumn[] = [
      { name: 'label', type: 'int32' },
      { name: 'text', type: 'string' },
    ];
    const scalarRows = rows.map(({ label, text }) => ({ label: label ?? 0, text: text ?? '' }));
    const single = await writeMindRecord(join(folder, 'scalars-only.mindrecord'), scalars, scalarRows, sizes);
    const paths = [one, four, defaults, single].map(([first]) => first ?? '');
    const read = runReference<Record<string, unknown>[][]>(python, PROGRAM, [...paths, folder]);
    const inShards = [0, 1, 2, 3].flatMap((shard) => rows.filter((_row, index) => index % 4 === shard));
    for (const [at, expected] of [rows, inShards, idRows, scalarRows].entries()) {
      expect(read[at]).toHaveLength(expected.length);
      for (const [index, row] of expected.entries()) {
        const wanted = Object.fromEntries(Object.entries(row).map(([name, value]) => [name, shown(value)]));
        expect(read[at]?.[index], `${paths[at]} row ${index}`).toEqual(wanted);
      }
    }

    const mixed = openMindRecord(join(folder, 'mixed.mindrecord2'));
    expect(mixed.paths).toHaveLength(4);
    expect(mixed.rowCount).toBe(18);
    const found = new Map(
      Array.from({ length: 18 }, (_, index) => mixed.row(index)).map((row) => [Number(row.n) / -1000, row]),
    );
    for (let i = 0; i < 18; i++) {
      const count = (i % 9) + 2;
      expect(found.get(i), `row ${i}`).toEqual({
        ids: BigInt64Array.from({ length: count }, (_, at) => BigInt(at - 2) * 10n ** BigInt(i)),
        m: new Int32Array(((i % 3) + 1) * 2).fill(i * 40_000),
        f: Float32Array.of(i, 0.5),
        d: Float64Array.of(0.1, i),
        raw: Buffer.alloc(5000 + i, i),
        n: -i * 1000 || 0,
        big: 2n ** 40n * BigInt(i) - 1n,
        x: i / 4,
        y: i / 10,
        s: `第${i}行`,
      });
    }
    const numbers = openMindRecord(join(folder, 'scalars.mindrecord'));
    const values = Array.from({ length: numbers.rowCount }, (_, index) => numbers.row(index).n);
    expect(values).toEqual([0n, 127n, 128n, 65536n, -1n, -33n, -129n, -40000n, 2n ** 40n]);
    const texts = openMindRecord(join(folder, 'texts.mindrecord'));
    expect(texts.rowCount).toBe(20);
    for (let index = 0; index < 20; index++)
      expect(texts.row(index)).toEqual({ raw: Buffer.from('ab'.repeat(4000)), s: 'x'.repeat(3000) });
  });
});
