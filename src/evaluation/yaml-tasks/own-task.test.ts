/** Tasks of one's own: forms of data, ways to give the answer, numbers, bad rows and bad files. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, describe, expect, test } from 'vitest';
import { evaluateTasks } from '../../../tests/support/evaluate-tasks.js';
import { FakeModel } from '../../../tests/support/evaluation-sets.js';
import { findTasks } from '../registry.js';

const root = mkdtempSync(join(tmpdir(), 'xinghe-own-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

function write(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = join(root, String(count++));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return folder;
}

const silent = (): FakeModel => new FakeModel(() => {});
const grade = (
  folder: string,
  outputs: Readonly<Record<string, string>>,
  name = 'task.yaml',
  data?: string,
) =>
  evaluateTasks(
    { task: join(folder, name), output: join(folder, `out-${count++}`), ...(data !== undefined && { data }) },
    Object.entries(outputs).map(([id, output]) => ({ task: 'task', id, output })),
  );

const CHOICE = `kind: choice
data: rows.jsonl
prompt: "{{ q }}"
options: o
answer: a
`;

describe('the same rows in every form', () => {
  const rows = [
    { q: 'one "or" two?', right: 'two', n: 1 },
    { q: '三，四\n五?', right: '四', n: 2 },
  ];
  const jsonLines = rows.map((row) => JSON.stringify(row)).join('\n');
  const csv = 'q,right,n\n"one ""or"" two?",two,1\n"三，四\n五?",四,2\n';
  const parquet = parquetWriteBuffer({
    columnData: [
      { name: 'q', data: rows.map(({ q }) => q), type: 'STRING' },
      { name: 'right', data: rows.map(({ right }) => right), type: 'STRING' },
      { name: 'n', data: rows.map(({ n }) => n), type: 'INT32' },
    ],
  });
  test.each<[string, string | Uint8Array]>([
    ['rows.jsonl', jsonLines],
    ['rows.jsonl.gz', gzipSync(jsonLines)],
    ['rows.json', JSON.stringify(rows)],
    ['rows.csv', csv],
    ['rows.csv', `\ufeff${csv.replaceAll('\n', '\r\n').replace('四\r\n五', '四\n五')}`],
    ['rows.csv.gz', gzipSync(csv)],
    ['rows.tsv', 'q\tright\tn\n"one ""or"" two?"\ttwo\t1\n"三，四\n五?"\t四\t2\n'],
    ['rows.parquet', new Uint8Array(parquet)],
  ])('%s', async (name, content) => {
    const yaml = `kind: exact-match\ndata: ${name}\nprompt: "{{ q }} {{ n }}"\nanswer: right\n`;
    const folder = write({ 'task.yaml': yaml, [name]: content });
    const model = new FakeModel((question, index, { onAnswer }) =>
      onAnswer(index, { prompt: question.prompt.question, ids: null, droppedShots: 0, output: ' two\n' }),
    );
    const { lines, results } = await evaluateTasks(
      { task: join(folder, 'task.yaml'), output: join(folder, 'out') },
      model,
    );
    expect(lines.map(({ id, prompt, target }) => [id, prompt, target])).toEqual([
      ['rows/0', 'one "or" two? 1', 'two'],
      ['rows/1', '三，四\n五? 2', '四'],
    ]);
    expect(results[0]?.score).toBe(0.5);
  });

  test('CSV without header, files by split, below --data', async () => {
    const yaml = `kind: exact-match
data: {test: [set/b.csv, set/c.csv], dev: set/a.csv}
columns: [q, right]
examples_split: dev
shots: 1
prompt: q
answer: right
`;
    const folder = write({
      'task.yaml': yaml,
      'data/set/a.csv': 'x,1\n',
      'data/set/b.csv': 'y,2\n',
      'data/set/c.csv': 'z,3\n',
    });
    const { lines } = await grade(folder, { 'b/0': '2', 'c/0': '2' }, 'task.yaml', join(folder, 'data'));
    expect(lines.map(({ id, correct }) => [id, correct])).toEqual([
      ['b/0', true],
      ['c/0', false],
    ]);
  });
});

describe('the right option', () => {
  const row = (a: unknown): string => `${JSON.stringify({ q: '?', o: ['x', 'y', 'z'], a })}\n`;
  test.each<[string, unknown, string | null]>([
    ['letter', 'b', 'B'],
    ['letter', ' C ', 'C'],
    ['letter', '', null],
    ['index', 0, 'A'],
    ['index', '2', 'C'],
    ['number', 3, 'C'],
    ['text', 'y', 'B'],
  ])('by %s %j', async (form, answer, target) => {
    const folder = write({ 'task.yaml': `${CHOICE}answer_is: ${form}\n`, 'rows.jsonl': row(answer) });
    const { lines } = await grade(folder, { 'rows/0': 'The answer is B.' });
    expect(lines[0]).toMatchObject({ target, extracted: 'B' });
  });

  test.each<[string, unknown]>([
    ['letter', 'D'],
    ['index', 3],
    ['index', -1],
    ['number', 0],
    ['text', 'w'],
  ])('out of range by %s %j is named and left out', async (form, answer) => {
    const folder = write({
      'task.yaml': `${CHOICE}answer_is: ${form}\n`,
      'rows.jsonl': row('A') + row(answer),
    });
    const first = { letter: 'A', index: 0, number: 1, text: 'x' }[form];
    writeFileSync(join(folder, 'rows.jsonl'), row(first) + row(answer));
    const { tasks, results } = await grade(folder, { 'rows/0': 'A' });
    expect(results[0]).toMatchObject({ score: 1, n: 1 });
    expect(tasks[0]?.problems).toMatchObject([
      { reason: 'answer out of range', count: 1, examples: [{ id: 'rows/1' }] },
    ]);
  });

  test('options as texts are compared by their likelihood alone', async () => {
    const folder = write({ 'task.yaml': `${CHOICE}compare: texts\n`, 'rows.jsonl': row('B') });
    const model = new FakeModel((question, index, { onAnswer }) =>
      onAnswer(index, {
        prompt: question.prompt.question,
        ids: null,
        droppedShots: 0,
        logLikelihoods: [[-3, -1, -2]],
        isGreedy: [[false, false, false]],
      }),
    );
    const { results } = await evaluateTasks(
      { task: join(folder, 'task.yaml'), output: join(folder, 'out') },
      model,
    );
    expect(model.asked[0]).toMatchObject({
      choices: [{ continuations: [' x', ' y', ' z'], texts: ['x', 'y', 'z'], answer: 1 }],
    });
    expect(results.map(({ metric, score }) => [metric, score])).toEqual([
      ['acc', 1],
      ['acc_norm', 1],
      ['acc_bytes', 1],
    ]);
    const wish = { task: join(folder, 'task.yaml'), mode: 'generate' as const, output: join(folder, 'out') };
    await expect(evaluateTasks(wish, silent())).rejects.toThrow('can be asked by loglikelihood alone');
  });
});

test('numbers: commas, currencies, tolerance, the first or the last match', async () => {
  const yaml = (more: string): string =>
    `kind: regex\ndata: rows.jsonl\nprompt: q\nanswer: a\npattern: '(?:[$€]\\s?)?-?\\d[\\d,]*(?:\\.\\d+)?'\ncompare: number\n${more}`;
  const rows = [
    { q: '1', a: '1,234.50' },
    { q: '2', a: 3 },
    { q: '3', a: 'many' },
  ]
    .map((row) => `${JSON.stringify(row)}\n`)
    .join('');
  const folder = write({ 'task.yaml': yaml('take: first\ntolerance: 0.01\n'), 'rows.jsonl': rows });
  const { lines, tasks } = await grade(folder, { 'rows/0': 'It is $1234.505, not 5', 'rows/1': 'none' });
  expect(lines.map(({ extracted, correct }) => [extracted, correct])).toEqual([
    ['$1234.505', true],
    [null, false],
  ]);
  expect(tasks[0]?.problems).toMatchObject([{ reason: 'answer out of range', count: 1 }]);
  writeFileSync(join(folder, 'task.yaml'), yaml(''));
  expect((await grade(folder, { 'rows/0': '5 is wrong, 1234.5 is right' })).lines[0]).toMatchObject({
    correct: true,
  });
});

describe('a faulty file is told by file, line and key', () => {
  const good = { 'rows.jsonl': '{"q":"?","o":["x","y"],"a":"A"}\n' };
  test.each([
    ['prompt: "{{ q }}"', 'promt: "{{ q }}"', /task\.yaml:3: promt: unknown key\. Did you mean `prompt`\?/],
    [
      'kind: choice',
      'kind: choise',
      /task\.yaml:1: kind: expected one of choice, exact-match, regex, got "choise"\. Did you mean `choice`\?/,
    ],
    ['kind: choice\n', '', /task\.yaml:1: kind: expected one of/],
    ['answer: a', 'answer: a\nshots: many', /task\.yaml:6: shots: expected a number, got "many"/],
    [
      'answer: a',
      'answer: a\nshots: 2',
      /task\.yaml:6: shots: 2 examples, but "examples_split" names no split/,
    ],
    ['answer: a', 'answer: "{{ a"', /task\.yaml:5: answer: an output is not closed \(line 1\)/],
    ['answer: a', 'answer: "{{ a | uper }}"', /task\.yaml:5: answer: there is no filter named "uper"/],
    ['answer: a', 'answer: a\nanswer: b', /task\.yaml:6:1: not valid YAML: the key "answer" stands twice/],
    ['answer: a', 'answer: a\nname: a b', /task\.yaml:6: name: a name has letters/],
    ['data: rows.jsonl', 'data: row.jsonl', /task\.yaml:2: data: there is no .*row\.jsonl/],
    [
      'data: rows.jsonl',
      'data: {dev: rows.jsonl}',
      /task\.yaml:2: data: no files of the split "test"; there are dev\./,
    ],
    [
      'answer: a',
      'answer: a\nexamples_split: dev\nshots: 1',
      /task\.yaml:2: data: rows\.jsonl has no file of the split "dev"/,
    ],
    [
      '"{{ q }}"',
      '"{{ qq }}"',
      /no row can be measured: 1 x missing field, the first: .*task\.yaml:3: prompt: 'qq' is undefined.*The row has q, o, a/,
    ],
    ['options: o', 'options: ["{{ q }}", "{{ r }}"]', /task\.yaml:4: options\.1: 'r' is undefined/],
    ['options: o', 'options: q', /no row can be measured: 1 x wrong field/],
  ])('%s as %s', async (from, to, message) => {
    const folder = write({ ...good, 'task.yaml': CHOICE.replace(from, to) });
    const wish = { task: join(folder, 'task.yaml'), output: join(folder, 'out') };
    await expect(evaluateTasks(wish, silent())).rejects.toThrow(message);
  });

  test('no such file, an empty folder, two tasks of one name', () => {
    const folder = write({
      'a/task.yaml': CHOICE,
      'b/task.yaml': CHOICE,
      'empty/readme.txt': '',
      'list.yaml': '- a\n',
    });
    expect(() => findTasks(join(folder, 'none.yaml'), undefined)).toThrow('there is no such file or folder');
    expect(() => findTasks(join(folder, 'empty'), undefined)).toThrow('holds no YAML file');
    expect(() => findTasks(join(folder, 'list.yaml'), undefined)).toThrow('a task is a mapping of keys');
    const both = `${join(folder, 'a/task.yaml')},${join(folder, 'b/task.yaml')}`;
    return expect(evaluateTasks({ task: both, output: join(folder, 'out') }, silent())).rejects.toThrow(
      '--task gives two tasks with the name "task"',
    );
  });
});

describe('bad rows are named, counted and left out', () => {
  test('a missing option, a missing column, a row of another form, faulty JSON', async () => {
    const rows = [
      '{"q":"?","o":["x","y"],"a":"A"}',
      '{"q":"?","o":["x"," "],"a":"A"}',
      '{"q":"?","o":["x"],"a":"A"}',
      '{"o":["x","y"],"a":"A"}',
      '[1]',
      '{"q":',
      '{"q":"?","o":["x","y"],"a":"B"}',
    ];
    const folder = write({ 'task.yaml': CHOICE, 'rows.jsonl': `${rows.join('\n')}\n` });
    const { tasks, lines } = await grade(folder, { 'rows/0': 'A', 'rows/6': 'A' });
    expect(lines.map(({ id, correct }) => [id, correct])).toEqual([
      ['rows/0', true],
      ['rows/6', false],
    ]);
    const counted = tasks[0]?.problems.map(({ reason, count: n }) => [reason, n]);
    expect(counted).toEqual([
      ['not valid JSON', 1],
      ['wrong form', 1],
      ['missing option', 2],
      ['missing field', 1],
    ]);
  });

  test('a row of CSV with too few fields keeps the places of the others; a header with a column twice is refused', async () => {
    const yaml = 'kind: exact-match\ndata: rows.csv\nprompt: q\nanswer: a\n';
    const folder = write({ 'task.yaml': yaml, 'rows.csv': 'q,a\n1,x\n2\n3,z\n' });
    const { tasks, lines } = await grade(folder, { 'rows/0': 'x', 'rows/2': 'z' });
    expect(lines.map(({ id, correct }) => [id, correct])).toEqual([
      ['rows/0', true],
      ['rows/2', true],
    ]);
    expect(tasks[0]?.problems).toMatchObject([
      { reason: 'wrong number of fields', count: 1, examples: [{ id: 'rows/1' }] },
    ]);
    writeFileSync(join(folder, 'rows.csv'), 'q,q,a\n1,1,x\n');
    await expect(grade(folder, { 'rows/0': 'x' })).rejects.toThrow('the header names the column "q" twice');
  });

  test('two files of one name would give two samples one id', async () => {
    const yaml = 'kind: exact-match\ndata: set\nprompt: q\nanswer: a\n';
    const folder = write({
      'task.yaml': yaml,
      'set/test/x.csv': 'q,a\n1,x\n',
      'set/test/deep/x.csv': 'q,a\n1,x\n',
    });
    await expect(grade(folder, { 'x/0': 'x' })).rejects.toThrow(/two samples .*"x\/0"/);
  });
});
