import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { goldenFolder, goldenJson } from '../../../tests/support/golden.js';
import { isLongSuite } from '../../../tests/support/long-suite.js';
import { openMindRecord } from '../../formats/index.js';
import { mergeDatasets } from '../dataset/merge-datasets.js';
import { openDataset } from '../dataset/open-dataset.js';
import { prepareDataset } from './prepare-dataset.js';
import type { PrepareOptions } from './prepare-options.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-prepare-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});

const spark = `${goldenFolder}tokenizers/spark_like`;
let names = 0;
const place = (): string => join(folder, `place-${names++}`);

interface Record {
  instruction: string;
  output: string;
}

function writeRecords(records: readonly unknown[]): string {
  const path = `${place()}.jsonl`;
  writeFileSync(path, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  return path;
}

/** Records whose answers are from 1 to 40 characters long. */
function records(count: number, prefix = ''): Record[] {
  return Array.from({ length: count }, (_, index) => ({
    instruction: `${prefix}${index}`,
    output: '好'.repeat(1 + ((index * 7) % 40)),
  }));
}

const common = { form: 'alpaca', recipe: 'spark-sft', tokenizer: spark, seqLength: 63, workers: 1 } as const;

async function prepare(options: Partial<PrepareOptions> & Pick<PrepareOptions, 'inputs'>) {
  const output = options.output ?? place();
  const report = await prepareDataset({ ...common, ...options, output });
  return { output, report };
}

/** "file:line" of every document that begins in a row, by row. */
function originsOf(path: string): string[][] {
  const dataset = openDataset(path);
  const origins = Array.from({ length: dataset.rowCount }, (_, row) =>
    dataset.origins(row).flatMap(({ file, line, offset }) => (offset === 0 ? [`${file}:${line}`] : [])),
  );
  dataset.close();
  return origins;
}

function rowsOf(path: string): { ids: number[]; mask: number[]; documents: number[] }[] {
  const dataset = openDataset(path);
  const rows = Array.from({ length: dataset.rowCount }, (_, index) => {
    const { ids, lossMask, documentIds } = dataset.row(index);
    return { ids: [...ids], mask: [...lossMask], documents: [...(documentIds ?? [])] };
  });
  dataset.close();
  return rows;
}

function skippedOf(path: string): { place: string; reason: string }[] {
  return readFileSync(join(path, 'skipped.jsonl'), 'utf8')
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => {
      const { file, line, reason } = JSON.parse(text) as { file: string; line: number; reason: string };
      return { place: `${file}:${line}`, reason };
    });
}

function fingerprint(path: string): string {
  const hash = createHash('sha256');
  const names = readdirSync(path, { recursive: true, withFileTypes: true });
  for (const entry of names.filter((found) => found.isFile()).sort((a, b) => (a.name < b.name ? -1 : 1)))
    hash.update(entry.name).update(readFileSync(join(entry.parentPath, entry.name)));
  return hash.digest('hex');
}

test('the same bytes from 1, 2 and 3 threads', async () => {
  const inputs = [
    writeRecords([...records(isLongSuite ? 3000 : 1000), ...records(40)]),
    writeRecords(records(200, 'b')),
  ];
  const prints = new Set<string>();
  for (const workers of isLongSuite ? [1, 2, 3] : [1, 3]) {
    const { output } = await prepare({
      inputs,
      workers,
      validation: 0.05,
      shuffle: true,
      packing: 'best-fit',
      deduplicate: 'near',
      fileBytes: 20_000,
    });
    expect(readdirSync(output).filter((name) => name.startsWith('rows-')).length).toBeGreaterThan(3);
    prints.add(fingerprint(output));
  }
  expect(prints.size).toBe(1);
});

describe('job arrays', () => {
  test('parts hold every record once, and merge to all of them without touching a row', async () => {
    const inputs = [writeRecords(records(200)), writeRecords(records(31, 'b'))];
    const parts: string[] = [];
    for (const index of [1, 2, 3])
      parts.push((await prepare({ inputs, shard: { index, count: 3 }, validation: 0.1 })).output);
    const merged = place();
    // Given in any order.
    const report = await mergeDatasets([parts[2] ?? '', parts[0] ?? '', parts[1] ?? ''], merged);
    expect(rowsOf(merged)).toEqual(parts.flatMap(rowsOf));
    expect(originsOf(merged)).toEqual(parts.flatMap(originsOf));
    const held = join(merged, 'validation');
    const whole = (await prepare({ inputs, validation: 0.1 })).output;
    const sorted = (path: string): string[] => originsOf(path).flat().sort();
    expect(sorted(merged)).toEqual(sorted(whole));
    expect(sorted(held)).toEqual(sorted(join(whole, 'validation')));
    expect(report.train.rows).toBe(originsOf(merged).length);
    expect(report.parts.map(({ shard }) => shard)).toEqual(['1/3', '2/3', '3/3']);
  });

  test('a MindRecord array merges to one file', async () => {
    const inputs = [writeRecords(records(60))];
    const parts: string[] = [];
    for (const index of [1, 2])
      parts.push((await prepare({ inputs, shard: { index, count: 2 }, container: 'mindrecord' })).output);
    const merged = place();
    await mergeDatasets(parts, merged);
    expect(rowsOf(merged)).toEqual(parts.flatMap(rowsOf));
    expect(originsOf(merged)).toEqual(parts.flatMap(originsOf));
  });

  test('refuses what does not belong together', async () => {
    const inputs = [writeRecords(records(20))];
    const part = async (options: Partial<PrepareOptions>) => (await prepare({ inputs, ...options })).output;
    const first = await part({ shard: { index: 1, count: 2 } });
    const second = await part({ shard: { index: 2, count: 2 } });
    await expect(mergeDatasets([first, first], place())).rejects.toThrow(/Part 1\/2 is given twice/);
    await expect(mergeDatasets([first, await part({})], place())).rejects.toThrow(/job array of 2 is not/);
    const long = await part({ shard: { index: 2, count: 2 }, seqLength: 64 });
    await expect(mergeDatasets([first, long], place())).rejects.toThrow(/differ in row length: 64 and 65/);
    await expect(mergeDatasets([first], place())).rejects.toThrow(/1 dataset is nothing to merge/);
    await expect(mergeDatasets([first, second], first)).rejects.toThrow(/already holds files/);
  });
});

test('no record is ever lost: it is in the rows once, or in skipped.jsonl with a reason', async () => {
  const record = fc.oneof(
    { weight: 8, arbitrary: fc.record({ instruction: fc.string(), output: fc.string({ maxLength: 80 }) }) },
    { weight: 1, arbitrary: fc.record({ instruction: fc.string() }) },
    { weight: 1, arbitrary: fc.constantFrom<unknown>(7, 'text', null, { instruction: 1, output: 'x' }) },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(record, { minLength: 1, maxLength: 25 }),
      fc.constantFrom('greedy', 'first-fit', 'best-fit', 'none'),
      fc.constantFrom(0, 0.3),
      fc.constantFrom('spark-sft', 'spark-pretrain'),
      fc.constantFrom(undefined, 'exact'),
      async (list, packing, validation, recipe, deduplicate) => {
        const input = writeRecords([
          ...list,
          { instruction: 'q', output: 'a' },
          { instruction: 'q2', output: 'b' },
        ]);
        const options = {
          inputs: [input],
          packing,
          validation,
          recipe,
          deduplicate,
          onError: 'skip',
        } as const;
        const { output, report } = await prepare({ ...options, seqLength: 40 });
        const train = originsOf(output).flat();
        const held = join(output, 'validation');
        const validated = existsSync(held) ? originsOf(held).flat() : [];
        const skipped = skippedOf(output).map(({ place: where }) => where);
        const all = [...train, ...validated, ...skipped].sort();
        expect(all).toEqual(
          list
            .concat(1, 2)
            .map((_, index) => `${input}:${index + 1}`)
            .sort(),
        );
        expect(report.samples.used).toBe(train.length);
        expect(report.skipped.total).toBe(skipped.length);
      },
    ),
    { numRuns: 60 },
  );
});

/** Lengths of the spans of equal values. */
function stretchLengths(values: Int32Array): number[] {
  const lengths: number[] = [];
  for (const [place, value] of values.entries())
    if (place > 0 && value === values[place - 1]) lengths[lengths.length - 1]! += 1;
    else lengths.push(1);
  return lengths;
}

test('document ids and origins name each token; padding is of no document', async () => {
  const input = writeRecords(records(30));
  const { output, report } = await prepare({ inputs: [input], recipe: 'spark-pretrain' });
  const dataset = openDataset(output);
  let tokens = 0;
  for (let row = 0; row < dataset.rowCount; row++) {
    const { documentIds, lossMask } = dataset.row(row);
    const expected = new Int32Array(64).fill(-1);
    for (const [number, origin] of dataset.origins(row).entries()) {
      expected.fill(number, origin.position, origin.position + origin.tokens);
      tokens += origin.tokens;
    }
    expect(documentIds).toEqual(expected);
    const read = await dataset.read(row);
    expect([read.ids, read.lossMask]).toEqual([dataset.row(row).ids, lossMask]);
    expect(read.documents).toEqual(stretchLengths(expected));
    expect([...lossMask]).toEqual([...expected].map((document) => (document < 0 ? 0 : 1)));
  }
  expect(tokens).toBe(report.train.tokens);
  // A document that goes on in the next row says how much of it went before.
  const [first, second] = [dataset.origins(0).at(-1), dataset.origins(1)[0]];
  expect(second).toMatchObject({ line: first?.line, offset: first?.tokens, position: 0 });
  dataset.close();
});

describe('MindRecord', () => {
  test.each([
    ['spark-sft', 'sft', 'dataset.mindrecord'],
    ['spark-pretrain', 'pretrain', 'train_dataset.mindrecord'],
  ] as const)('%s: the rows of the golden file', async (recipe, golden, name) => {
    const inputs = [`${goldenFolder}dataprep/alpaca_small.json`];
    const { output } = await prepare({ inputs, recipe, seqLength: 32, container: 'mindrecord' });
    const ours = openMindRecord(join(output, name));
    const expected = openMindRecord(`${goldenFolder}mindrecord/${golden}.mindrecord`);
    expect(ours.columns).toEqual(expected.columns);
    for (let row = 0; row < expected.rowCount; row++) expect(ours.row(row)).toEqual(expected.row(row));
    // Of the pre-training rows the published program loses the last.
    expect(ours.rowCount - expected.rowCount).toBe(recipe === 'spark-pretrain' ? 1 : 0);
    const twin = await prepare({ inputs, recipe, seqLength: 32 });
    expect(rowsOf(output)).toEqual(rowsOf(twin.output));
    const [stored, other] = [openDataset(output), openDataset(twin.output)];
    for (let row = 0; row < stored.rowCount; row++) {
      const [a, b] = await Promise.all([stored.read(row), other.read(row)]);
      expect([Array.from(a.ids), Array.from(a.lossMask), a.documents]).toEqual([
        Array.from(b.ids),
        Array.from(b.lossMask),
        b.documents,
      ]);
    }
    stored.close();
    other.close();
    expect(originsOf(output)).toEqual(originsOf(twin.output));
  });

  test('an output of that name is the file, its index and report beside it', async () => {
    const output = `${place()}.mindrecord`;
    const inputs = [writeRecords(records(9))];
    await prepare({ inputs, output });
    expect(openMindRecord(output).rowCount).toBe(openDataset(output).rowCount);
    expect(existsSync(`${output}.db`)).toBe(true);
    expect(readdirSync(`${output}.info`)).toContain('report.json');
    expect(originsOf(output).flat()).toEqual(
      Array.from({ length: 9 }, (_, index) => `${inputs[0]}:${index + 1}`),
    );
    await expect(prepare({ inputs, output })).rejects.toThrow(/is there already; .*--overwrite/);
    await prepare({ inputs, output, overwrite: true, seqLength: 50 });
    expect(openDataset(output).rowLength).toBe(51);
  });

  test('a file of another program: rows without origins', () => {
    const dataset = openDataset(`${goldenFolder}mindrecord/sft.mindrecord`);
    const golden = goldenJson<{ sft_rows: { input_ids: number[]; loss_mask: number[] }[] }>(
      'dataprep/spark_rows_32.json',
    );
    expect(dataset.rowCount).toBe(golden.sft_rows.length);
    const { ids, lossMask, documentIds } = dataset.row(3);
    expect([[...ids], [...lossMask], documentIds]).toEqual([
      golden.sft_rows[3]?.input_ids,
      golden.sft_rows[3]?.loss_mask,
      undefined,
    ]);
    expect(dataset.origins(3)).toEqual([]);
  });
});

describe('mixtures', () => {
  const weigh = (weights: unknown): string => {
    const path = `${place()}.json`;
    writeFileSync(path, JSON.stringify(weights));
    return path;
  };

  test('weights repeat, draw and leave out, as TeleChat publishes them', async () => {
    const [a, b, c] = [
      writeRecords(records(400)),
      writeRecords(records(30, 'b')),
      writeRecords(records(5, 'c')),
    ];
    const { output, report } = await prepare({ inputs: [], weights: weigh({ [a]: 0.25, [b]: 2.5, [c]: 0 }) });
    const [ofA, ofB, ofC] = report.phases[0]?.files ?? [];
    expect(ofA?.drawn).toBeGreaterThan(70);
    expect(ofA?.drawn).toBeLessThan(130);
    expect(ofB?.drawn).toBeGreaterThan(65);
    expect(ofB?.drawn).toBeLessThan(85);
    expect(ofC?.drawn).toBe(0);
    const counts = new Map<string, number>();
    for (const where of originsOf(output).flat()) counts.set(where, (counts.get(where) ?? 0) + 1);
    for (let line = 1; line <= 30; line++) expect([2, 3]).toContain(counts.get(`${b}:${line}`));
    const notDrawn = skippedOf(output).filter(({ reason }) => reason === 'not drawn');
    expect(notDrawn.length).toBe(400 - (ofA?.drawn ?? 0) + 5);
  });

  test('a curriculum: shares of the tokens, other ones from a token count on', async () => {
    const [a, b] = [writeRecords(records(300)), writeRecords(records(300, 'b'))];
    const weights = weigh({
      phases: [
        { until_tokens: 3000, weights: { [a]: 3, [b]: 1 } },
        { until_tokens: 5000, weights: { [b]: 1 } },
      ],
    });
    const { output, report } = await prepare({ inputs: [a, b], weights });
    const [one, two] = report.phases;
    expect(one?.files[0]?.share).toBeCloseTo(0.75, 1);
    expect(two?.files.map(({ drawn }) => drawn > 0)).toEqual([false, true]);
    const total = report.phases
      .flatMap(({ files }) => files.map(({ tokens }) => tokens))
      .reduce((x, y) => x + y);
    expect(total).toBeGreaterThanOrEqual(5000);
    expect(total).toBeLessThan(5100);
    const dataset = openDataset(output);
    expect(dataset.phases).toEqual([one?.rows, two?.rows]);
    dataset.close();
    const secondPhase = originsOf(output).slice(one?.rows).flat();
    expect(secondPhase.every((where) => where.startsWith(b))).toBe(true);
  });

  test('the last phase without an end stops when a file runs out', async () => {
    const [a, b] = [writeRecords(records(50)), writeRecords(records(10, 'b'))];
    const { report } = await prepare({
      inputs: [],
      weights: weigh({ phases: [{ weights: { [a]: 1, [b]: 1 } }] }),
    });
    expect(report.phases[0]?.files[1]).toMatchObject({ samples: 10, drawn: 10 });
    expect(report.phases[0]?.files[0]?.share).toBeCloseTo(0.5, 1);
  });

  test.each<[string, (a: string) => unknown, RegExp]>([
    [
      'an unknown file',
      (a) => ({ [a]: 1, 'other.jsonl': 2 }),
      /"other\.jsonl" has a weight but is not among/,
    ],
    ['no weight for an input', () => ({ phases: [{ weights: { x: 1 } }] }), /"x" has a weight/],
    ['a weight below 0', (a) => ({ [a]: -1 }), />=0|at least 0/i],
    ['all weights 0', (a) => ({ [a]: 0 }), /one weight must be above 0/],
    [
      'falling token counts',
      (a) => ({
        phases: [
          { until_tokens: 9, weights: { [a]: 1 } },
          { until_tokens: 5, weights: { [a]: 1 } },
        ],
      }),
      /phases\.1\.until_tokens is 5; it must be above 9/,
    ],
    [
      'an end missing in the middle',
      (a) => ({ phases: [{ weights: { [a]: 1 } }, { until_tokens: 5, weights: { [a]: 1 } }] }),
      /phases\.0\.until_tokens is missing/,
    ],
  ])('refuses %s', async (_, weights, message) => {
    const input = writeRecords(records(3));
    await expect(prepare({ inputs: [input], weights: weigh(weights(input)) })).rejects.toThrow(message);
  });
});

test('evaluation items are reported before training, and left out on request', async () => {
  const item = '小明有五个苹果，给了小红两个，又买了七个，请问他现在一共有多少个苹果？';
  const set = join(folder, 'evaluation.jsonl');
  writeFileSync(set, `${JSON.stringify({ question: item, answer: '十个' })}\n`);
  const inputs = [writeRecords([...records(5), { instruction: item, output: '十个。' }])];
  const seen = await prepare({ inputs, contamination: [set], seqLength: 255 });
  expect(seen.report.contamination?.[0]).toMatchObject({ items: 1, itemsHit: 1, records: 1 });
  expect(seen.report.samples.used).toBe(6);
  const without = await prepare({ inputs, contamination: [set], dropContaminated: true, seqLength: 255 });
  expect(skippedOf(without.output)).toEqual([{ place: `${inputs[0]}:6`, reason: 'contaminated' }]);
});

describe('refusals leave nothing behind', () => {
  const input = writeRecords(records(3));
  test.each<[string, Partial<PrepareOptions>, RegExp]>([
    ['no input', { inputs: [] }, /No input: name files with --input/],
    ['a missing file', { inputs: ['nowhere.jsonl'] }, /nowhere\.jsonl does not exist/],
    ['a file twice', { inputs: [input, input] }, /is named twice; .*weight of 2/],
    ['answers of texts', { recipe: 'spark-pretrain', answers: 'all' }, /--answers is for dialogues/],
    [
      'dialogues as texts',
      { recipe: 'spark-pretrain', form: 'messages' },
      /learns texts: .*--form is messages/,
    ],
    ['texts for answers', { form: 'text' }, /--form text has no answers/],
    ['cut answers', { packing: 'joined' }, /--packing joined cuts samples/],
    ['a wrong share', { validation: 1 }, /--validation is 1/],
    ['a shard beyond', { shard: { index: 3, count: 2 } }, /--shard is 3\/2/],
    ['another tokenizer', { recipe: 'telechat-sft' }, /telechat chat: the tokenizer has no token <_/],
    ['a short row', { recipe: 'xverse-sft', seqLength: 0, tokenizer: spark }, /has 1 ids, too few/],
    ['nothing to leave out', { dropContaminated: true }, /--drop-contaminated needs evaluation sets/],
    [
      'a name of the other format',
      { output: 'x.mindrecord', container: 'safetensors' },
      /for --format mindrecord/,
    ],
    ['faulty records', { inputs: [writeRecords([{ a: 1 }])] }, /\.jsonl:1: missing `instruction`/],
    [
      'only long records',
      { seqLength: 2 },
      /No sample is left to make rows of: 3 were encoded; left out: 3 longer/,
    ],
  ])('%s', async (_, options, message) => {
    const parent = place();
    mkdirSync(parent);
    const output = join(parent, 'out');
    await expect(prepare({ inputs: [input], output, ...options })).rejects.toThrow(message);
    expect(readdirSync(parent)).toEqual([]);
  });

  test('a second run on top of the first', async () => {
    const { output } = await prepare({ inputs: [input] });
    const before = fingerprint(output);
    await expect(prepare({ inputs: [input], output })).rejects.toThrow(/already holds files/);
    expect(fingerprint(output)).toBe(before);
    await prepare({ inputs: [input], output, seqLength: 70, overwrite: true });
    expect(openDataset(output).rowLength).toBe(71);
  });

  test('a signal', async () => {
    const parent = place();
    mkdirSync(parent);
    const run = prepare({ inputs: [writeRecords(records(50_000))], output: join(parent, 'out') });
    setTimeout(() => process.emit('SIGTERM', 'SIGTERM'), 20);
    await expect(run).rejects.toThrow(/stopped by SIGTERM; nothing was written/);
    expect(readdirSync(parent)).toEqual([]);
  });
});
