import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { goldenFolder, goldenJson } from '../../../tests/support/golden.js';
import { main } from '../main.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-cli-data-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let out = '';
let errors = '';
beforeEach(() => {
  out = '';
  errors = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    errors += String(text);
    return true;
  });
});

let outputs = 0;
const newPath = (): string => join(folder, `out-${outputs++}`);
const tokenizer = `${goldenFolder}tokenizers/spark_like`;
const records = `${goldenFolder}dataprep/alpaca_small.json`;

function prepare(output: string, ...more: string[]): Promise<number> {
  const recipe = [
    '--form',
    'alpaca',
    '--recipe',
    'spark-sft',
    '--tokenizer',
    tokenizer,
    '--seq-length',
    '32',
  ];
  return main([
    'data',
    'prepare',
    ...recipe,
    '--input',
    records,
    '--output',
    output,
    '--workers',
    '1',
    ...more,
  ]);
}

test('prepare, inspect: the golden rows', async () => {
  const output = newPath();
  expect(await prepare(output)).toBe(0);
  expect(out).toMatch(/^recipe +spark-sft, packing greedy, rows of 33 ids$/m);
  expect(out).toMatch(/^rows +18 rows, 75\.4 % full: 448 tokens, 154 learned, 65\.6 % masked$/m);
  expect(out).toMatch(/^left out +12 records, listed in skipped\.jsonl$/m);
  for (const name of ['index.json', 'report.json', 'lengths.svg', 'skipped.jsonl'])
    expect(existsSync(join(output, name))).toBe(true);
  expect(readFileSync(join(output, 'lengths.svg'), 'utf8')).toMatch(
    /^<svg [\s\S]*row of 33[\s\S]*<\/svg>\n$/,
  );

  out = '';
  expect(await main(['data', 'inspect', output])).toBe(0);
  expect(out).toContain('18 rows of 33 ids');

  out = '';
  expect(await main(['data', 'inspect', output, '--row', '5', '--json'])).toBe(0);
  const view = JSON.parse(out) as {
    documents: { origin: string; tokens: { id: number; learned: boolean }[] }[];
  };
  const golden = goldenJson<{ sft_rows: { input_ids: number[] }[] }>('dataprep/spark_rows_32.json');
  expect(view.documents.flatMap(({ tokens }) => tokens.map(({ id }) => id))).toEqual(
    golden.sft_rows[5]?.input_ids,
  );
  expect(view.documents[0]?.origin).toMatch(/alpaca_small\.json:\d+$/);

  const page = join(folder, 'row.html');
  expect(await main(['data', 'inspect', output, '--row', '5', '--html', page])).toBe(0);
  expect(readFileSync(page, 'utf8')).toMatch(/^<!doctype html>/);

  out = '';
  expect(await main(['data', 'inspect', output, '--step', '2', '--rows-per-step', '4'])).toBe(0);
  expect(out).toMatch(/^(row \d+: .*alpaca_small\.json:\d+.*\n){4}$/);
});

test('the report as JSON', async () => {
  expect(await prepare(newPath(), '--json', '--validation', '0.2', '--deduplicate', 'exact')).toBe(0);
  const report = JSON.parse(out);
  expect(report).toMatchObject({ recipe: 'spark-sft', rowLength: 33, samples: { read: 30 }, duplicates: 0 });
  expect(report.validation.rows).toBeGreaterThan(0);
  expect(report.skipped.reasons[0]).toMatchObject({ reason: 'longer than a row' });
});

test('shards and merge', async () => {
  const parts = [newPath(), newPath()];
  for (const [index, part] of parts.entries())
    expect(await prepare(part, '--shard', `${index + 1}/2`)).toBe(0);
  const merged = newPath();
  out = '';
  expect(await main(['data', 'merge', ...parts, '--output', merged])).toBe(0);
  expect(out).toMatch(/\(1\/2\): \d+ rows\n.*\(2\/2\): \d+ rows\n.*: \d+ rows, 12 records left out\n$/);
});

test('MindRecord under the name that was asked for', async () => {
  const output = `${newPath()}.mindrecord`;
  expect(await prepare(output)).toBe(0);
  out = '';
  expect(await main(['data', 'inspect', output, '--row', '0', '--tokenizer', tokenizer])).toBe(0);
  expect(out).toContain('row 0 of 18');
});

describe('usage', () => {
  const weights = join(folder, 'weights.json');
  writeFileSync(weights, '{"nowhere.jsonl": 1}');
  const emptyFolder = join(folder, 'empty');
  mkdirSync(emptyFolder);

  test.each<[string, string[], RegExp]>([
    [
      'an unknown one',
      ['data', 'pack'],
      /xinghe data: "pack" is no subcommand; there are prepare, merge, inspect/,
    ],
    ['no form', ['data', 'prepare'], /--form is required/],
    [
      'an unknown recipe',
      ['data', 'prepare', '--form', 'text', '--recipe', 'gpt'],
      /--recipe is "gpt"; give one of/,
    ],
    ['inspect without a path', ['data', 'inspect', '--row', '1'], /name the dataset first/],
    ['inspect of nothing', ['data', 'inspect', join(folder, 'none')], /none does not exist/],
    [
      'inspect of a folder',
      ['data', 'inspect', emptyFolder],
      /has no index\.json; make one with xinghe data prepare/,
    ],
    ['row and step', ['data', 'inspect', folder, '--row', '1', '--step', '1'], /--row or --step, not both/],
    ['a page of no row', ['data', 'inspect', folder, '--html', 'x.html'], /--html shows a row/],
    ['a single part', ['data', 'merge', '--input', folder, '--output', 'x'], /1 dataset is nothing to merge/],
  ])('%s', async (_, args, message) => {
    expect(await main(args)).toBe(2);
    expect(errors).toMatch(message);
    expect(errors.trim().split('\n').length).toBe(1);
  });

  test.each<[string, string[], RegExp]>([
    ['a shard that is none', ['--shard', '2'], /--shard is "2"; give K\/N/],
    ['an unknown cleaning step', ['--clean', 'wash'], /--clean has no step "wash"; there are spark, nfc/],
    [
      'weights of other files',
      ['--weights', weights],
      /"nowhere\.jsonl" has a weight but is not among the --input/,
    ],
    ['an option twice', ['--seq-length', '5'], /--seq-length is given twice/],
  ])('prepare: %s', async (_, args, message) => {
    const output = newPath();
    expect(await prepare(output, ...args)).toBe(2);
    expect(errors).toMatch(message);
    expect(existsSync(output)).toBe(false);
  });

  test('help', async () => {
    expect(await main(['data', '--help'])).toBe(0);
    expect(out).toMatch(/prepare[\s\S]*merge[\s\S]*inspect/);
    for (const verb of ['prepare', 'merge', 'inspect']) expect(await main(['data', verb, '--help'])).toBe(0);
  });
});

test.each([
  [{}, true],
  [{ NO_COLOR: '1' }, false],
  [{ NO_COLOR: '' }, true],
  [{ TERM: 'dumb' }, false],
])('inspect on a terminal with %j: colour %s', async (variables, isPainted) => {
  const output = newPath();
  expect(await prepare(output)).toBe(0);
  vi.stubEnv('NO_COLOR', undefined);
  vi.stubEnv('TERM', 'xterm');
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  const before = Object.getOwnPropertyDescriptor(process.stdout, 'isTTY');
  Object.defineProperty(process.stdout, 'isTTY', { value: true, configurable: true });
  out = '';
  expect(await main(['data', 'inspect', output, '--row', '5'])).toBe(0);
  if (before === undefined) Reflect.deleteProperty(process.stdout, 'isTTY');
  else Object.defineProperty(process.stdout, 'isTTY', before);
  vi.unstubAllEnvs();
  expect(out.includes('\u001b[')).toBe(isPainted);
});

test('two at once on one output: the second is refused, the first is whole', async () => {
  const output = newPath();
  const codes = await Promise.all([prepare(output), prepare(output)]);
  expect(codes.sort()).toEqual([0, 2]);
  expect(errors).toMatch(/is writing to it; wait for it/);
  expect(existsSync(join(output, 'index.json'))).toBe(true);
});
