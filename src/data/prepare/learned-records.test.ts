/** What of a record is learned: keys that say so, answers that are empty, markers and halves of characters in texts. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, type MockInstance, test, vi } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { requires } from '../../../tests/support/requires.js';
import { sharedCases } from '../../../tests/support/shared-cases.js';
import { loadTokenizer } from '../../tokenizers/index.js';
import { openDataset } from '../dataset/open-dataset.js';
import { prepareDataset } from './prepare-dataset.js';
import type { PrepareOptions } from './prepare-options.js';
import { type RecipeName, recipes, tokenizerOptions } from './recipes.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-learned-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let stderr: MockInstance;
beforeEach(() => {
  stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});

const tokenizers: Partial<Record<RecipeName, string>> = {
  'xverse-sft': `${goldenFolder}tokenizers/spm_bpe_bytefallback`,
};

let names = 0;

/** The decoded stretches that are learned, of all rows, and what was left out. */
async function prepare(
  input: string,
  options: Pick<PrepareOptions, 'form' | 'recipe'> & Partial<PrepareOptions>,
) {
  const output = join(folder, `rows-${names++}`);
  const tokenizer = options.tokenizer ?? tokenizers[options.recipe] ?? `${goldenFolder}tokenizers/spark_like`;
  const report = await prepareDataset({
    tokenizer,
    seqLength: 127,
    workers: 1,
    ...options,
    inputs: [input],
    output,
  });
  const decoder = loadTokenizer(tokenizer, tokenizerOptions(recipes[options.recipe]));
  const dataset = openDataset(output);
  const learned: string[] = [];
  for (let index = 0; index < dataset.rowCount; index++) {
    const { ids, lossMask } = dataset.row(index);
    let open: number[] = [];
    for (let place = 0; place <= ids.length; place++) {
      if (lossMask[place] === 1) open.push(ids[place] ?? 0);
      else if (open.length > 0) {
        learned.push(decoder.decode(open, { skipSpecialTokens: true }).trim());
        open = [];
      }
    }
  }
  dataset.close();
  const skipped = readFileSync(join(output, 'skipped.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { line: number, reason } = JSON.parse(line) as { line: number; reason: string };
      return `${number} ${reason}`;
    });
  return { report, learned, skipped };
}

function jsonl(...records: unknown[]): string {
  const path = join(folder, `records-${names++}.jsonl`);
  writeFileSync(path, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  return path;
}

const sharedFile = (name: string) => sharedCases(`data/${name}`);
const d4 = sharedFile('d4.jsonl');
const d6 = sharedFile('d6.jsonl');
const e6 = sharedFile('e6.jsonl');
const markers = sharedFile('telechat_markers.jsonl');
const shared = requires(d4 !== undefined, '../shared/cases is absent');

describe('inputs that once failed', () => {
  test('d6: weight 0 is read, weight 1 is learned', shared, async () => {
    const { learned } = await prepare(d6 ?? '', { form: 'messages', recipe: 'xverse-sft' });
    expect(learned).toEqual(['second answer']);
  });

  test('d4: empty and null outputs are left out and counted', shared, async () => {
    const { learned, skipped, report } = await prepare(d4 ?? '', { form: 'alpaca', recipe: 'xverse-sft' });
    expect(learned.join(' ')).toMatch(/^hi ?no$/);
    expect(skipped).toEqual(['2 nothing to learn', '4 nothing to learn']);
    expect(report.skipped.total).toBe(2);
  });

  test('e6: half a character stops, or is left out and counted; a pair is one', shared, async () => {
    const options = { form: 'alpaca', recipe: 'xverse-sft' } as const;
    await expect(prepare(e6 ?? '', options)).rejects.toThrow(/e6\.jsonl:1: `output` holds \\ud83d, half of/);
    const { learned, skipped } = await prepare(e6 ?? '', { ...options, onError: 'skip' });
    expect({ learned, skipped }).toEqual({ learned: ['😀'], skipped: ['1 lone surrogate'] });
  });

  test('telechat_markers: as {"output": "a"}', shared, async () => {
    const options = { form: 'telechat', recipe: 'xverse-sft', packing: 'none' } as const;
    const found = await prepare(markers ?? '', options);
    const plain = await prepare(jsonl({ input: 'q', output: 'a' }, { input: 'q', output: 'a' }), options);
    expect(found.learned).toEqual(plain.learned);
    expect(found.report.train).toEqual(plain.report.train);
  });
});

const asked = (content: string) => ({ role: 'user', content });
const answer = (content: string, keys: Record<string, unknown> = {}) => ({
  role: 'assistant',
  content,
  ...keys,
});
const dialogue = (keys: Record<string, unknown>, last: Record<string, unknown> = {}) => ({
  messages: [asked('A?'), answer('first', keys), asked('B?'), answer('second', last)],
});

describe('keys that say what is learned', () => {
  const options = { form: 'messages', recipe: 'xverse-sft', packing: 'none' } as const;

  test.each([
    { weight: 0 },
    { train: false },
    { training: false },
    { trainable: false },
    { loss: false },
    { use_loss: false },
    { loss_weight: 0 },
    { loss_scale: 0 },
    { loss_mask: 0 },
    { weight: 0, train: false },
  ])('%j is read only', async (keys) => {
    expect((await prepare(jsonl(dialogue(keys)), options)).learned).toEqual(['second']);
  });

  test.each([{ weight: 1 }, { train: true }, { loss: null }, {}])('%j is learned', async (keys) => {
    expect((await prepare(jsonl(dialogue(keys)), options)).learned).toEqual(['first', 'second']);
  });

  test('a turn that says so is learned where the recipe learns the last answer only', async () => {
    const { learned } = await prepare(jsonl(dialogue({ weight: 1 }), dialogue({})), {
      ...options,
      answers: 'last',
    });
    expect(learned).toEqual(['first', 'second', 'second']);
  });

  test.each([
    [dialogue({ weight: 0.5 }), '`messages[1].weight` must be 0 or 1'],
    [dialogue({ train: 'false' }), '`messages[1].train` must be 0 or 1'],
    [dialogue({ weight: 0, train: true }), 'contradict each other'],
    [dialogue({ train_detail: [{ begin_offset: 0, end_offset: 2, train: false }] }), 'train_detail'],
    [dialogue({ mask: true }), '`messages[1].mask`'],
    [{ messages: [{ ...asked('A?'), weight: 1 }, answer('a')] }, 'no answer; only answers are learned'],
    [{ ...dialogue({}), kto_tag: false }, '`kto_tag` is false'],
    [{ ...dialogue({}), mask: 'Assistant' }, '`mask` is "Assistant"'],
    [{ ...dialogue({ weight: 1 }), loss_weight: 0.3 }, '`loss_weight` must be 0 or 1'],
  ])('refuses %j', async (record, message) => {
    await expect(prepare(jsonl(record), options)).rejects.toThrow(message);
  });

  test('a record speaks for its answers; a dialogue without a learned one is left out', async () => {
    const { learned, skipped } = await prepare(
      jsonl({ ...dialogue({}, { weight: 1 }), train: false }, { ...dialogue({}), weight: 0 }),
      options,
    );
    expect(learned).toEqual(['second']);
    expect(skipped).toEqual(['2 nothing to learn']);
  });

  test('ShareGPT and Alpaca alike', async () => {
    const conversations = [
      { from: 'human', value: 'A?' },
      { from: 'gpt', value: 'first', loss: false },
      { from: 'human', value: 'B?' },
      { from: 'gpt', value: 'second' },
    ];
    const sharegpt = await prepare(jsonl({ conversations }), { ...options, form: 'sharegpt' });
    expect(sharegpt.learned).toEqual(['second']);
    const alpaca = jsonl({ instruction: 'q', output: 'a' }, { instruction: 'q', output: 'b', weight: 0 });
    expect((await prepare(alpaca, { ...options, form: 'alpaca' })).skipped).toEqual(['2 nothing to learn']);
  });

  test('keys that nobody reads are counted in the report and named once', async () => {
    const record = { id: 1, ...dialogue({ name: 'x' }, { name: 'y' }), tools: [] };
    const { report } = await prepare(jsonl(record, { ...record, source: 's' }), options);
    expect(report.unreadKeys).toEqual([
      { key: 'messages[].name', count: 4 },
      { key: 'id', count: 2 },
      { key: 'tools', count: 2 },
      { key: 'source', count: 1 },
    ]);
    const said = stderr.mock.calls.flat().filter((text) => String(text).includes('not read'));
    expect(said).toHaveLength(1);
    expect(String(said[0])).toContain('messages[].name (4), id (2), tools (2), source (1)');
  });
});

describe('empty answers of every form', () => {
  test.each<[PrepareOptions['form'], Record<string, unknown>]>([
    ['messages', { messages: [asked('q'), answer('')] }],
    ['messages', { messages: [asked('q'), { role: 'assistant', content: null }] }],
    ['messages', { messages: [asked('q'), answer(''), asked('r'), answer('a')] }],
    [
      'sharegpt',
      {
        conversations: [
          { from: 'human', value: 'q' },
          { from: 'gpt', value: ' \n' },
        ],
      },
    ],
    ['alpaca', { instruction: 'q', history: [['p', '']], output: 'a' }],
    ['telechat', { input: 'q', output: '<_bot>' }],
    ['telechat', { input: '<_user>p<_bot><_user>q', output: 'a' }],
  ])('%s %j', async (form, record) => {
    const good = form === 'messages' ? { messages: [asked('q'), answer('a')] } : undefined;
    const goods: Partial<Record<string, unknown>> = {
      messages: good,
      sharegpt: {
        conversations: [
          { from: 'human', value: 'q' },
          { from: 'gpt', value: 'a' },
        ],
      },
      alpaca: { instruction: 'q', output: 'a' },
      telechat: { input: 'q', output: 'a' },
    };
    const { learned, skipped } = await prepare(jsonl(record, goods[form]), { form, recipe: 'xverse-sft' });
    expect({ learned, skipped }).toEqual({ learned: ['a'], skipped: ['1 nothing to learn'] });
  });

  test('texts', async () => {
    const { skipped } = await prepare(jsonl({ text: '' }, { text: '好' }, { text: null }), {
      form: 'text',
      recipe: 'spark-pretrain',
    });
    expect(skipped).toEqual(['1 nothing to learn', '3 nothing to learn']);
  });

  test('CSV', async () => {
    const path = join(folder, 'rows.csv');
    writeFileSync(path, 'instruction,output\nq,\nr,a\n');
    const { skipped } = await prepare(path, { form: 'alpaca', recipe: 'xverse-sft' });
    expect(skipped).toEqual(['2 nothing to learn']);
  });
});

describe('TeleChat markers within texts', () => {
  test.each([
    [{ input: 'q', output: 'a<_end>b' }, '`output` holds <_end>'],
    [{ input: 'q', output: 'a<_user>b<_bot>c' }, '`output` holds <_user>'],
    [{ input: 'q', output: '<_bot><_bot>a' }, '`output` holds <_bot>'],
    [{ input: 'p<_end>q', output: 'a' }, 'question 1 of `input` holds <_end>'],
  ])('refuses %j', async (record, message) => {
    await expect(prepare(jsonl(record), { form: 'telechat', recipe: 'xverse-sft' })).rejects.toThrow(message);
  });

  test('ends behind the answers of a history are taken off', async () => {
    const options = { form: 'telechat', recipe: 'xverse-sft' } as const;
    const marked = jsonl({ input: '<_user>p<_bot>b<_end><_user>q<_bot>', output: 'a<_end>\n' });
    const plain = jsonl({ input: '<_user>p<_bot>b<_user>q', output: 'a' });
    expect((await prepare(marked, options)).learned).toEqual((await prepare(plain, options)).learned);
  });
});
