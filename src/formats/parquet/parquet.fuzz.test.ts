import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, test } from 'vitest';
import { InputError } from '../../errors/index.js';
import { readRecords } from '../index.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-parquet-fuzz-'));
const seed = Date.now() % 2 ** 31;

/** Files begun so far; a file that keeps the thread busy for 5 s is kept, and ends the process with a message. */
const begun = new Int32Array(new SharedArrayBuffer(4));
const WATCH = `
  const { begun, path, seed } = require('node:worker_threads').workerData;
  const fs = require('node:fs');
  let last = 0;
  let since = Date.now();
  setInterval(() => {
    const now = Atomics.load(begun, 0);
    if (now !== last) [last, since] = [now, Date.now()];
    else if (last > 0 && Date.now() - since > 5000) {
      const kept = require('node:path').join(require('node:os').tmpdir(), 'xinghe-hanging.parquet');
      fs.copyFileSync(path, kept);
      fs.writeSync(2, 'file ' + last + ' of seed ' + seed + ' takes over 5 s; kept as ' + kept + '\\n');
      process.kill(process.pid, 'SIGKILL');
    }
  }, 500);
`;
const path = join(folder, 'fuzz.parquet');
const watch = new Worker(WATCH, { eval: true, workerData: { begun, path, seed } });
afterAll(async () => {
  await watch.terminate();
  rmSync(folder, { recursive: true });
});

const texts = Array.from({ length: 12 }, (_, index) => `问题${index}`);

/** Version 2 pages packed by snappy, and dictionaries and lists that are not packed. */
const validFiles = [
  parquetWriteBuffer({
    columnData: [
      { name: 'text', data: texts, type: 'STRING' },
      { name: 'number', data: texts.map((_, index) => BigInt(index)), type: 'INT64' },
      { name: 'list', data: texts.map((_, index) => [index, null, {}]), type: 'JSON' },
    ],
    rowGroupSize: 5,
  }),
  parquetWriteBuffer({
    columnData: [
      { name: 'kind', data: Array.from({ length: 60 }, (_, index) => texts[index % 3]) },
      { name: 'flag', data: Array.from({ length: 60 }, (_, index) => index % 3 === 0) },
      { name: 'list', data: Array.from({ length: 60 }, (_, index) => texts.slice(0, index % 3)) },
    ],
    schema: [
      { name: 'root', num_children: 3 },
      { name: 'kind', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
      { name: 'flag', type: 'BOOLEAN', repetition_type: 'OPTIONAL' },
      { name: 'list', num_children: 1, converted_type: 'LIST', repetition_type: 'OPTIONAL' },
      { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
      { name: 'element', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
    ],
    codec: 'UNCOMPRESSED',
  }),
].map((buffer) => new Uint8Array(buffer));

async function readsOrRefuses(bytes: Uint8Array): Promise<void> {
  writeFileSync(path, bytes);
  Atomics.add(begun, 0, 1);
  try {
    let last = 0;
    for await (const { line } of readRecords(path, { onFault: () => {} })) {
      if (line !== last + 1) throw new Error(`line ${line} after line ${last}`);
      last = line;
    }
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    if (!error.message.includes(path) || error.message.length > 1000)
      throw new Error(`poor message: ${error.message}`);
  }
}

/** Cut off, or with bytes changed. */
function damaged(valid: Uint8Array): fc.Arbitrary<Buffer> {
  const change = fc.record({ at: fc.nat(valid.length - 1), value: fc.nat(255) });
  return fc
    .tuple(fc.array(change, { maxLength: 3 }), fc.nat(valid.length), fc.nat(9))
    .map(([changes, cut, kind]) => {
      const bytes = Buffer.from(kind === 0 ? valid.subarray(0, cut) : valid);
      for (const { at, value } of changes) if (at < bytes.length) bytes[at] = value;
      return bytes;
    });
}

test.each(validFiles.map((valid, index) => [index + 1, valid] as const))(
  'damaged parquet files, %i',
  async (_index, valid) => {
    await readsOrRefuses(valid);
    await fc.assert(fc.asyncProperty(damaged(valid), readsOrRefuses), {
      numRuns: process.env.XINGHE_TEST_LONG === '1' ? 10_000 : 2000,
      seed,
    });
  },
  60_000,
);
