/** Damaged record files: the tests of src/formats/records/record-file.fuzz, short and long. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { InputError } from '../../src/errors/index.js';
import { type RecordFormat, readRecords } from '../../src/formats/index.js';

/** Of the file that is being tested: the short and the long one may share a process, and this module. */
let path = '';

const LIMIT = 4096;

/** Either records with rising lines, or an InputError; the same with faults taken, for then the reader must go on. */
async function readsOrRefuses(bytes: Uint8Array, format: RecordFormat | undefined): Promise<void> {
  writeFileSync(path, bytes);
  for (const skips of [false, true]) {
    try {
      let previous = 0;
      const onFault = skips ? (fault: InputError) => checkMessage(fault) : undefined;
      for await (const { line } of readRecords(path, { format, maxRecordBytes: LIMIT, onFault })) {
        if (!(line >= previous)) throw new Error(`line ${line} after line ${previous}`);
        previous = line;
      }
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      checkMessage(error);
    }
  }
}

function checkMessage({ message }: InputError): void {
  if (!message.includes(path) || message.length > 1000) throw new Error(`poor message: ${message}`);
}

/** `valid` with bytes changed, cut off or repeated. */
function mutated(valid: Uint8Array): fc.Arbitrary<Buffer> {
  const change = fc.record({
    at: fc.nat(valid.length - 1),
    value: fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('"\\[]{},\n\r\t\0'), 0xff)),
  });
  return fc
    .tuple(fc.array(change, { maxLength: 4 }), fc.nat(valid.length), fc.nat(20))
    .map(([changes, cut, keep]) => {
      const bytes = Buffer.from(keep < 14 ? valid : valid.subarray(0, cut));
      for (const { at, value } of changes) if (at < bytes.length) bytes[at] = value;
      return keep === 20 ? Buffer.concat([bytes, bytes]) : bytes;
    });
}

const records = Array.from({ length: 12 }, (_, index) => ({
  instruction: `问题${index}`,
  'quoted, "text"\n': 'a\\"b'.repeat(index),
  list: [index, null, { deep: [true] }],
}));
const text = JSON.stringify(records, null, 1);
const jsonl = records.map((record) => `${JSON.stringify(record)}\n`).join('');
const csv = `a,b\r\n${records.map(({ instruction }) => `${instruction},"x ""y""\n,z"\r\n`).join('')}`;

/** `runs` damaged files of each container of text. */
export function fuzzRecordFiles(runs: number): void {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'xinghe-records-fuzz-'));
    path = join(folder, 'fuzz');
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  test.each<[string, Uint8Array, RecordFormat | undefined]>([
    ['JSON array', Buffer.from(text), 'json-array'],
    ['JSON Lines', Buffer.from(jsonl), 'jsonl'],
    ['CSV', Buffer.from(csv), 'csv'],
    ['gzip', gzipSync(jsonl), undefined],
    ['any container', Buffer.from(text), undefined],
  ])(
    '%s',
    async (_name, valid, format) => {
      await readsOrRefuses(valid, format);
      await fc.assert(
        fc.asyncProperty(mutated(valid), (bytes) => readsOrRefuses(bytes, format)),
        { numRuns: runs },
      );
    },
    120_000,
  );

  test('any bytes', async () => {
    const format = fc.constantFrom<(RecordFormat | undefined)[]>(
      undefined,
      'csv',
      'json-array',
      'jsonl',
      'text',
      'text-file',
    );
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), format, (bytes, as) => readsOrRefuses(bytes, as)),
      { numRuns: runs },
    );
  }, 120_000);

  test('deep nesting', async () => {
    const deep = `[${'['.repeat(2000)}${']'.repeat(2000)}]`;
    writeFileSync(path, deep);
    let count = 0;
    for await (const _ of readRecords(path, { format: 'json-array' })) count += 1;
    expect(count).toBe(1);
    await readsOrRefuses(Buffer.from('['.repeat(100_000)), 'json-array');
  });
}
