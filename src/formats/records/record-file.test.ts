import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { requiresShared } from '../../../tests/support/requires.js';
import { sharedData } from '../../../tests/support/shared-data.js';
import { InputError } from '../../errors/index.js';
import { type FileRecord, type ReadRecordsOptions, type RecordFault, readRecords } from '../index.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-records-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function read(path: string, options: ReadRecordsOptions = {}): Promise<[number, unknown][]> {
  const records: FileRecord[] = [];
  for await (const record of readRecords(path, options)) records.push(record);
  return records.map(({ line, value }) => [line, value]);
}

async function readSkipping(path: string, options: ReadRecordsOptions = {}) {
  const faults: RecordFault[] = [];
  const records = await read(path, { ...options, onFault: (fault) => faults.push(fault) });
  return { records, faults: faults.map(({ line, reason }) => [line, reason]) };
}

const bytes = (...parts: (string | number)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.of(part))));

describe('JSON Lines', () => {
  test('lines, blank lines, CRLF, BOM, no newline at the end', async () => {
    const path = file('a.jsonl', '\ufeff{"a":1}\r\n\n  \n{"a":"二"}\n3');
    expect(await read(path)).toEqual([
      [1, { a: 1 }],
      [4, { a: '二' }],
      [5, 3],
    ]);
  });

  test.each<[string, Buffer, RegExp]>([
    ['not JSON', bytes('{}\n{"a":}'), /f\.jsonl:2:6: not valid JSON: expected a value, found "}"/],
    [
      'not UTF-8',
      bytes('{}\n{"a":"', 0xe4, 0xbd, '"}'),
      /f\.jsonl:2: the line is not valid UTF-8: bytes e4bd227d \(hex\) at byte offset 6/,
    ],
    ['UTF-16', Buffer.from('\ufeff{}\n', 'utf16le'), /f\.jsonl:1: the line is UTF-16; save it as UTF-8/],
    ['NUL', bytes('{}\n{"a":"', 0, '"}'), /f\.jsonl:2: the line has a NUL byte at byte offset 6/],
    ['empty', bytes(), /f\.jsonl is empty/],
  ])('%s', async (_name, content, message) => {
    await expect(read(file('f.jsonl', content))).rejects.toThrow(message);
  });

  test('a line beyond the limit, without keeping it', async () => {
    const path = file('long.jsonl', `{"a":1}\n{"a":"${'x'.repeat(3_000_000)}"}\n{"a":3}\n`);
    await expect(read(path, { maxRecordBytes: 1000 })).rejects.toThrow(
      /long\.jsonl:2: the record is longer than 1000 bytes; split it/,
    );
    expect(await readSkipping(path, { maxRecordBytes: 1000 })).toEqual({
      records: [
        [1, { a: 1 }],
        [3, { a: 3 }],
      ],
      faults: [[2, 'too long']],
    });
  });
});

describe('JSON array', () => {
  const values = [{ a: 1 }, 'x, ]"\\', [1, [2, {}]], null, 4.5, { 文: '本\n"\\"' }, {}, [], ''];
  test.each([
    ['compact', JSON.stringify(values)],
    ['pretty', `\ufeff \n${JSON.stringify(values, null, 2)}\n\n`],
  ])('%s', async (_name, text) => {
    expect((await read(file('a.json', text))).map(([, value]) => value)).toEqual(values);
  });

  test('lines are where elements begin', async () => {
    const path = file('l.json', '[\n  {\n "a": 1\n},\n\n {"a": 2}, {"a":\n3}\n]');
    expect(await read(path)).toEqual([
      [2, { a: 1 }],
      [6, { a: 2 }],
      [6, { a: 3 }],
    ]);
  });

  test('empty arrays', async () => {
    expect(await read(file('e.json', ' [ ] '))).toEqual([]);
  });

  test('elements across the borders of pieces', async () => {
    const many = Array.from({ length: 3000 }, (_, index) => ({
      index,
      text: `"\\${'字\\'.repeat(index % 300)}`,
    }));
    const read_ = await read(file('m.json', JSON.stringify(many, null, 1)));
    expect(read_.map(([, value]) => value)).toEqual(many);
    expect(read_.map(([line]) => line)).toEqual(many.map((_, index) => 2 + 4 * index));
  });

  test('a faulty element is skipped, or stops with its line', async () => {
    const path = file('f.json', '[{"a":1},\n{"a" 2},\n{"b":\n}, {"a":3}]');
    expect(await readSkipping(path)).toEqual({
      records: [
        [1, { a: 1 }],
        [4, { a: 3 }],
      ],
      faults: [
        [2, 'not valid JSON'],
        [3, 'not valid JSON'],
      ],
    });
    await expect(read(path)).rejects.toThrow(/f\.json:2: not valid JSON: expected ':', found "2"/);
  });

  test.each([
    ['[{"a":1},', /:1: the file ends in the array; it is cut off/],
    ['[1,\n{"a":', /:2: the file ends in the element that begins in line 2/],
    ['[1,]', /:1: expected an element, found ']'/],
    ['[,1]', /:1: expected an element, found ','/],
    ['[1]\n2', /:2: there is more text after the end of the array/],
  ])('%s', async (text, message) => {
    await expect(read(file('f.json', text))).rejects.toThrow(message);
    const { faults } = await readSkipping(file('f.json', text));
    expect(faults.map(([, reason]) => reason)).toEqual(['damaged file']);
  });

  test('an element beyond the limit', async () => {
    const path = file('long.json', `[1,\n"${'x'.repeat(2_000_000)}",\n${' '.repeat(500_000)}3]`);
    expect(await readSkipping(path, { maxRecordBytes: 100 })).toEqual({
      records: [
        [1, 1],
        [3, 3],
      ],
      faults: [[2, 'too long']],
    });
  });
});

describe('CSV', () => {
  test('csv without a header: every row is the list of its fields, however many', async () => {
    const rows = await read(file('h.csv', '\ufeffa,"b, c"\n\n1,2,3\n'), { csvHeader: false });
    expect(rows.map(([, value]) => value)).toEqual([
      ['a', 'b, c'],
      ['1', '2', '3'],
    ]);
  });

  test('quotes, newlines, delimiters in fields, BOM, CRLF, blank lines', async () => {
    const text = '\ufeffid,text\r\n1,"a, ""b""\r\nc"\r\n\r\n2,\r\n3,三';
    expect(await read(file('a.csv', text))).toEqual([
      [2, { id: '1', text: 'a, "b"\r\nc' }],
      [5, { id: '2', text: '' }],
      [6, { id: '3', text: '三' }],
    ]);
    expect(await read(file('a.tsv', 'a\tb\n1,\t2'))).toEqual([[2, { a: '1,', b: '2' }]]);
  });

  test('keys that objects have of themselves are ordinary names', async () => {
    const [[, value] = []] = await read(file('p.csv', '__proto__,constructor\n1,2\n'));
    expect(Object.entries(value ?? {})).toEqual([
      ['__proto__', '1'],
      ['constructor', '2'],
    ]);
  });

  test.each<[string, Buffer, number, string, RegExp]>([
    [
      'a field too many',
      bytes('a,b\n1,2\n1,2,3\n5,6\n'),
      3,
      'not valid CSV',
      /:3: the row has 3 fields, the header 2/,
    ],
    [
      'a stray quote',
      bytes('a,b\n1,2\n1,x"y\n5,6\n'),
      3,
      'not valid CSV',
      /:3: not valid CSV: Invalid Opening Quote/,
    ],
    ['not UTF-8', bytes('a,b\n1,2\n1,', 0xff, '\n5,6\n'), 3, 'not UTF-8', /:3: the line is not valid UTF-8/],
    ['NUL', bytes('a,b\n1,2\n1,', 0, '\n5,6\n'), 3, 'NUL byte', /:3: the line has a NUL byte/],
  ])('%s', async (_name, content, line, reason, message) => {
    const path = file('f.csv', content);
    await expect(read(path)).rejects.toThrow(message);
    expect(await readSkipping(path)).toEqual({
      records: [
        [2, { a: '1', b: '2' }],
        [4, { a: '5', b: '6' }],
      ],
      faults: [[line, reason]],
    });
  });

  test('rows up to the next quote are lost with a stray one', async () => {
    const path = file('f.csv', 'a,b\n1,2\n"1"x,2\n5,6\n"7"\n8,9\n');
    await expect(read(path)).rejects.toThrow(/f\.csv:3: not valid CSV: Invalid Closing Quote/);
    expect((await readSkipping(path)).records).toEqual([
      [2, { a: '1', b: '2' }],
      [6, { a: '8', b: '9' }],
    ]);
  });

  test('a quote that is never closed', async () => {
    await expect(read(file('f.csv', 'a,b\n1,"2\n3,4\n'))).rejects.toThrow(
      /f\.csv:\d: not valid CSV: a quoted field is not closed/,
    );
    await expect(
      read(file('f.csv', `a,b\n1,"${'2\n'.repeat(200_000)}`), { maxRecordBytes: 5000 }),
    ).rejects.toThrow(/f\.csv:\d+: the record is longer than 5000 bytes/);
  });

  test('a header with a name twice', async () => {
    await expect(read(file('f.csv', 'a,a\n1,2\n'))).rejects.toThrow(
      /f\.csv:1: the header names the column "a" twice/,
    );
  });
});

describe('text', () => {
  test('a document a line, or the whole file', async () => {
    const path = file('a.txt', '一\n\n二\r\n');
    expect(await read(path)).toEqual([
      [1, { text: '一' }],
      [3, { text: '二' }],
    ]);
    expect(await read(path, { format: 'text-file' })).toEqual([[1, { text: '一\n\n二\r\n' }]]);
  });

  test('faults name the line in a whole file too', async () => {
    const path = file('f.txt', bytes('一\n二', 0xff, '\n'));
    await expect(read(path, { format: 'text-file' })).rejects.toThrow(
      /f\.txt:2: the line is not valid UTF-8/,
    );
    expect(await readSkipping(path)).toEqual({ records: [[1, { text: '一' }]], faults: [[2, 'not UTF-8']] });
  });
});

describe('gzip', () => {
  const lines = Array.from({ length: 60_000 }, (_, index) => `{"index":${index}}\n`).join('');

  test('of every text format, told by content', async () => {
    expect((await read(file('g.jsonl.gz', gzipSync(lines)))).length).toBe(60_000);
    expect((await read(file('g.unnamed', gzipSync(lines)))).length).toBe(60_000);
    expect((await read(file('g.json.gz', gzipSync('[1,2]')))).length).toBe(2);
    expect(await read(file('g.csv.gz', gzipSync('a\n1\n')))).toEqual([[2, { a: '1' }]]);
    const members = Buffer.concat([gzipSync('{"a":1}\n'), gzipSync('{"a":2}\n')]);
    expect(await read(file('g.jsonl.gz', members))).toEqual([
      [1, { a: 1 }],
      [2, { a: 2 }],
    ]);
  });

  test('cut off: the whole records come, then it is said', async () => {
    const packed = gzipSync(lines);
    const path = file('cut.jsonl.gz', packed.subarray(0, packed.length - 20));
    await expect(read(path)).rejects.toThrow(
      /cut\.jsonl\.gz: the gzip data is cut off after \d+ unpacked bytes/,
    );
    const { records, faults } = await readSkipping(path);
    expect(records[5]).toEqual([6, { index: 5 }]);
    expect(faults).toEqual([[0, 'damaged file']]);
  });

  test('damaged', async () => {
    const packed = gzipSync(lines);
    packed.fill(0x55, 100, 140);
    await expect(read(file('bad.jsonl.gz', packed))).rejects.toThrow(
      /bad\.jsonl\.gz: the gzip data is damaged/,
    );
  });

  test('a bomb is bounded by the record limit', async () => {
    const bomb = gzipSync(Buffer.alloc(300 * 2 ** 20, 0x61));
    expect(bomb.length).toBeLessThan(400_000);
    const path = file('bomb.jsonl.gz', bomb);
    global.gc?.();
    const before = process.memoryUsage().rss;
    await expect(read(path, { maxRecordBytes: 2 ** 20 })).rejects.toThrow(
      /the record is longer than 1048576 bytes/,
    );
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 2 ** 20);
  });
});

describe('containers are told by content and name', () => {
  test.each<[string, string, unknown[]]>([
    ['data.json', '{"a":1}\n{"a":2}\n', [{ a: 1 }, { a: 2 }]],
    ['data.json', '{\n "a": 1\n}\n', [{ a: 1 }]],
    ['data.json', '{"a":1}', [{ a: 1 }]],
    ['data.jsonl', '[\n{"a":1},\n{"a":2}\n]', [{ a: 1 }, { a: 2 }]],
    ['data.jsonl', '[1,2]\n[3]\n', [[1, 2], [3]]],
    ['data', '[1,2]', [1, 2]],
    ['data', '{"a":1}\n', [{ a: 1 }]],
    ['data', 'words\n', [{ text: 'words' }]],
  ])('%s: %j', async (name, text, values) => {
    expect((await read(file(name, text))).map(([, value]) => value)).toEqual(values);
  });

  test.each<[string, Uint8Array, RegExp]>([
    ['a.jsonl.zst', bytes(0x28, 0xb5, 0x2f, 0xfd, 0), /is packed as zstd; unpack it first/],
    ['a.xlsx', bytes('PK', 3, 4), /is a zip archive \(or an Office file\)/],
    ['a.parquet', bytes('{"a":1}'), /is named parquet, but does not begin with PAR1/],
  ])('%s is refused', async (name, content, message) => {
    await expect(readSkipping(file(name, content))).rejects.toThrow(message);
  });

  test('a missing file, and a folder', async () => {
    await expect(readSkipping(join(folder, 'no.jsonl'))).rejects.toThrow(InputError);
    await expect(readSkipping(folder)).rejects.toThrow(/is a folder, not a file/);
  });
});

const evaluationSets = sharedData('eval');
test('real files of third parties', requiresShared(evaluationSets), async () => {
  const count = async (path: string): Promise<number> => (await read(`${evaluationSets}/${path}`)).length;
  expect(await count('humaneval/HumanEval.jsonl.gz')).toBe(164);
  expect(await count('cmmlu/dev/agronomy.csv')).toBe(5);
  expect(await count('agieval/aqua-rat.jsonl')).toBe(254);
  expect(await count('bbh/boolean_expressions.json')).toBe(1);
  expect(await count('gaokao/2010-2022_Biology_MCQs.json')).toBe(1);
});
