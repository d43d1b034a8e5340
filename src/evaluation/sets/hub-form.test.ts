/** The sets in the parquet form of the hub, folder by folder as it lays them out: the samples are those of the published files. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, expect, test } from 'vitest';
import { evaluationSets, writeSets } from '../../../tests/support/evaluation-sets.js';
import { findTasks } from '../registry.js';
import { loadSamples } from '../run/load-samples.js';
import type { Sample } from '../task.js';

type Files = Readonly<Record<string, string | Buffer>>;
type Fields = Readonly<Record<string, unknown>>;
type Element = NonNullable<NonNullable<Parameters<typeof parquetWriteBuffer>[0]['schema']>[number]>;

const root = mkdtempSync(join(tmpdir(), 'xinghe-hub-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

async function load(task: string, files: Files, shots: number): Promise<readonly Sample[]> {
  const data = writeSets(join(root, String(count++)), files);
  const [found] = findTasks(task, data);
  if (found === undefined) throw new Error(`no task ${task}`);
  const plan = {
    task: found,
    shots,
    isShotsWanted: true,
    isCot: false,
    mode: found.defaultMode,
    form: 'plain' as const,
    isSingleChoiceOnly: false,
  };
  const all = { tasks: [plan], data, output: '', overwrite: false, command: [] };
  const { samples, problems } = await loadSamples(plan, all, undefined);
  expect(problems.list()).toEqual([]);
  return samples;
}

/** Texts, lists of texts, and whole numbers; a column of a struct of lists needs a schema of its own. */
function parquet(rows: readonly Fields[], schema?: Element[]): Buffer {
  const names = Object.keys(rows[0] ?? {});
  const columnData = names.map((name): ColumnSource => {
    const data = rows.map((row) => row[name]);
    if (schema !== undefined) return { name, data };
    return { name, data, type: data.every((value) => typeof value === 'number') ? 'INT32' : 'STRING' };
  });
  return Buffer.from(parquetWriteBuffer({ columnData, ...(schema !== undefined && { schema }) }));
}

const text = (name: string): Element => ({
  name,
  type: 'BYTE_ARRAY',
  converted_type: 'UTF8',
  repetition_type: 'OPTIONAL',
});
const list = (name: string): Element[] => [
  { name, num_children: 1, converted_type: 'LIST', repetition_type: 'OPTIONAL' },
  { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
  text('element'),
];
const schema = (columns: number, ...elements: readonly Element[]): Element[] => [
  { name: 'root', num_children: columns },
  ...elements,
];

const whole = evaluationSets();
const textAt = (path: string): string => String(whole[path]).replace(/^\ufeff/, '');
const lines = (path: string): string[] => textAt(path).trim().split('\n');
const records = (path: string): Fields[] => lines(path).map((line): Fields => JSON.parse(line));
const cells = (path: string): string[][] =>
  textAt(path)
    .trim()
    .split('\n')
    .map((line) =>
      (line.match(/"[^"]*"|[^,]+|(?<=^|,)(?=,|$)/g) ?? []).map((cell) => cell.replaceAll('"', '')),
    );

/** Records of a CSV file; the index of CMMLU's first column has no name. */
function headed(path: string): Fields[] {
  const [names = [], ...rows] = cells(path);
  return rows.map((row) =>
    Object.fromEntries(names.flatMap((name, place) => (name === '' ? [] : [[name, row[place] ?? '']]))),
  );
}

const SHARD = '00000-of-00001.parquet';

function mmlu(subject: string, split: string, folder: string, name: string): Files {
  const rows = cells(`mmlu/${split}/${subject}_${split}.csv`).map(([question = '', ...rest]) => ({
    question,
    subject,
    choices: rest.slice(0, 4),
    answer: 'ABCD'.indexOf(rest[4] ?? ''),
  }));
  const columns = schema(4, text('question'), text('subject'), ...list('choices'), {
    name: 'answer',
    type: 'INT32',
    repetition_type: 'OPTIONAL',
  });
  return { [`mmlu/${folder}/${name}-${SHARD}`]: parquet(rows, columns) };
}

function letterFiles(task: string, subject: string, splits: Readonly<Record<string, string>>): Files {
  return Object.fromEntries(
    Object.entries(splits).map(([path, name]) => [
      `${task}/${subject}/${name}-${SHARD}`,
      parquet(headed(`${task}/${path}`)),
    ]),
  );
}

interface ArcRecord {
  readonly id: string;
  readonly question: {
    readonly stem: string;
    readonly choices: readonly { readonly text: string; readonly label: string }[];
  };
  readonly answerKey: string;
}

function arc(subset: string, split: string, name: string): Files {
  const rows = lines(`arc/${subset}/${subset}-${split}.jsonl`).map((line) => {
    const { id, question, answerKey }: ArcRecord = JSON.parse(line);
    const { stem, choices } = question;
    return {
      id,
      question: stem,
      choices: { text: choices.map((each) => each.text), label: choices.map(({ label }) => label) },
      answerKey,
    };
  });
  const columns = schema(
    4,
    text('id'),
    text('question'),
    { name: 'choices', num_children: 2, repetition_type: 'OPTIONAL' },
    ...list('text'),
    ...list('label'),
    text('answerKey'),
  );
  return { [`arc/${subset}/${name}-${SHARD}`]: parquet(rows, columns) };
}

function hellaswag(): Buffer {
  const rows = records('hellaswag/hellaswag_val.jsonl').map((row) => ({
    activity_label: row.activity_label,
    ctx_a: row.ctx_a,
    ctx_b: row.ctx_b,
    endings: row.endings,
    source_id: row.source_id,
    // A text there.
    label: String(row.label),
  }));
  const columns = schema(
    6,
    ...['activity_label', 'ctx_a', 'ctx_b'].map(text),
    ...list('endings'),
    text('source_id'),
    text('label'),
  );
  return parquet(rows, columns);
}

function bbhFile(stem: string): Files {
  const { examples }: { examples: Fields[] } = JSON.parse(textAt(`bbh/${stem}.json`));
  return { [`bbh/${stem}/test-${SHARD}`]: parquet(examples) };
}

const humaneval = {
  task_id: 'HumanEval/0',
  prompt: 'def add(a, b):\n',
  canonical_solution: '    return a + b\n',
  test: 'def check(candidate):\n    assert candidate(1, 2) == 3\n',
  entry_point: 'add',
};

const forms: readonly (readonly [task: string, shots: number, hub: () => Files])[] = [
  [
    'mmlu',
    5,
    () => ({
      ...mmlu('anatomy', 'test', 'anatomy', 'test'),
      ...mmlu('anatomy', 'dev', 'anatomy', 'dev'),
      ...mmlu('virology', 'test', 'virology', 'test'),
      ...mmlu('virology', 'dev', 'virology', 'dev'),
      // All subjects once more.
      ...mmlu('virology', 'test', 'all', 'test'),
    }),
  ],
  ['ceval', 5, () => letterFiles('ceval', 'law', { 'val/law_val.csv': 'val', 'dev/law_dev.csv': 'dev' })],
  [
    'cmmlu',
    5,
    () => letterFiles('cmmlu', 'anatomy', { 'test/anatomy.csv': 'test', 'dev/anatomy.csv': 'dev' }),
  ],
  [
    'financeiq',
    5,
    () => letterFiles('financeiq', '税务师', { 'test/税务师.csv': 'test', 'dev/税务师.csv': 'dev' }),
  ],
  ['arc-easy', 0, () => arc('ARC-Easy', 'Dev', 'validation')],
  ['arc-challenge', 0, () => arc('ARC-Challenge', 'Test', 'test')],
  [
    'gsm8k',
    4,
    () => ({
      [`gsm8k/main/test-${SHARD}`]: parquet(records('gsm8k/test.jsonl')),
      [`gsm8k/main/train-${SHARD}`]: parquet(records('gsm8k/train.jsonl')),
      [`gsm8k/socratic/test-${SHARD}`]: parquet(records('gsm8k/test.jsonl')),
      [`gsm8k/socratic/train-${SHARD}`]: parquet(records('gsm8k/train.jsonl')),
    }),
  ],
  [
    'math',
    0,
    () => ({
      [`math/algebra/test-${SHARD}`]: parquet(
        ['2', '10'].map((stem): Fields => JSON.parse(textAt(`math/test/algebra/${stem}.json`))),
      ),
      [`math/geometry/train-${SHARD}`]: parquet([JSON.parse(textAt('math/test/algebra/2.json'))]),
    }),
  ],
  ['humaneval', 0, () => ({ [`humaneval/openai_humaneval/test-${SHARD}`]: parquet([humaneval]) })],
  [
    'bbh',
    0,
    () => ({
      ...bbhFile('navigate'),
      ...bbhFile('logical_deduction_three_objects'),
      ...bbhFile('logical_deduction_five_objects'),
    }),
  ],
  ['hellaswag', 0, () => ({ [`hellaswag/data/validation-${SHARD}`]: hellaswag() })],
];

/** What the form must not change. */
function content(samples: readonly Sample[]): unknown[] {
  const told = samples.map(({ target, prompt, choicePrompt, choices }) => ({
    target,
    prompt,
    choicePrompt,
    choices,
  }));
  return told.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

test.each(forms)('%s', async (task, shots, hub) => {
  const folder = task.startsWith('arc') ? 'arc' : task;
  const published = Object.fromEntries(
    Object.entries(whole).filter(([path]) => path.startsWith(`${folder}/`)),
  );
  const [own, theirs] = [await load(task, published, shots), await load(task, hub(), shots)];
  expect(own.length).toBeGreaterThan(0);
  expect(content(theirs)).toEqual(content(own));
  expect(new Set(theirs.map(({ id }) => id)).size).toBe(theirs.length);
});

test('ids go by the folder where all files have one name', async () => {
  const idsOf = async (task: string): Promise<string[]> => {
    const form = forms.find(([name]) => name === task);
    return form === undefined ? [] : (await load(task, form[2](), form[1])).map(({ id }) => id);
  };
  expect(await idsOf('mmlu')).toContain('anatomy/7');
  expect(await idsOf('math')).toEqual(['algebra/0', 'algebra/1']);
  expect(await idsOf('bbh')).toContain('navigate/0');
  expect(await idsOf('gsm8k')).toEqual(['test-00000-of-00001/0', 'test-00000-of-00001/1']);
});
