/** Task files in lm-evaluation-harness' form, written for this test: prompts, grades, groups, and what is refused. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { evaluateTasks } from '../../../../tests/support/evaluate-tasks.js';
import { FakeModel } from '../../../../tests/support/evaluation-sets.js';
import { promptText } from '../../model/prompt-text.js';
import { findTasks } from '../../registry.js';

const root = mkdtempSync(join(tmpdir(), 'xinghe-harness-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

/** @returns the folder */
function write(files: Readonly<Record<string, string>>): string {
  const folder = join(root, String(count++));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return folder;
}

const lines = (...rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

/** Likes the option at a place, or writes a text. */
function answering({
  place = 0,
  text = '',
}: {
  readonly place?: number;
  readonly text?: string;
} = {}): FakeModel {
  return new FakeModel((question, index, { onAnswer }) => {
    const common = { prompt: promptText(question.prompt), ids: null, droppedShots: 0 };
    if (question.kind === 'text') {
      const { repeats = 1 } = question;
      const outputs = Array.from({ length: repeats }, (_, seed) => text.split('|')[seed] ?? text);
      onAnswer(index, { ...common, output: outputs[0] ?? '', outputs });
      return;
    }
    const shape = question.choices.map(({ continuations }) => continuations);
    const flat = shape.flat().map((_, each) => (each === place ? -1 : -2 - each / 10));
    const logLikelihoods = shape.map(({ length }, choice) => {
      const from = shape.slice(0, choice).flat().length;
      return flat.slice(from, from + length);
    });
    onAnswer(index, {
      ...common,
      logLikelihoods,
      isGreedy: logLikelihoods.map((sums) => sums.map((sum) => sum === -1)),
    });
  });
}

const run = (
  folder: string,
  name: string,
  model = answering(),
  more: { readonly shots?: number; readonly data?: string } = {},
) => evaluateTasks({ task: join(folder, name), output: join(folder, `out-${count++}`), ...more }, model);

const CAPITALS = `task: capitals
dataset_path: json
dataset_kwargs: {data_files: {test: test.jsonl, dev: dev.jsonl}}
test_split: test
fewshot_split: dev
fewshot_config: {sampler: first_n}
num_fewshot: 1
description: "On {{area}}.\\n\\n"
output_type: multiple_choice
doc_to_text: "{{question.strip()}}\\n{% if hint is defined %}({{hint}})\\n{% endif %}Answer:"
doc_to_target: "{{label}}"
doc_to_choice: "{{[a, b]}}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - metric: acc_norm
  - metric: exact_match
metadata: {version: 2.0}
`;
const ROWS = lines(
  { area: 'Peru', question: ' Capital? ', a: 'Lima', b: 'Arequipa, the white city', label: 0 },
  { area: 'Mali', question: 'Capital?', a: 'Gao', b: 'Bamako', label: 1, hint: 'a river' },
  { area: 'Mali', question: 'Capital?', a: 'Gao', b: 'Bamako', label: 2 },
);
const DEV = lines({ area: 'Chad', question: 'Capital?', a: "N'Djamena", b: 'Sarh', label: 0 });

describe('multiple_choice', () => {
  test('templates, description, delimiters and examples as the harness joins them', async () => {
    const folder = write({ 'capitals.yaml': CAPITALS, 'test.jsonl': ROWS, 'dev.jsonl': DEV });
    const model = answering({ place: 1 });
    const { results, tasks, lines: samples } = await run(folder, 'capitals.yaml', model);
    expect(samples.map(({ prompt }) => prompt)).toEqual([
      "On Peru.\n\nCapital?\nAnswer: N'Djamena\n\nCapital?\nAnswer:",
      "On Mali.\n\nCapital?\nAnswer: N'Djamena\n\nCapital?\n(a river)\nAnswer:",
    ]);
    const [first] = model.asked;
    expect(first?.kind === 'choices' && first.choices[0]?.continuations).toEqual([
      ' Lima',
      ' Arequipa, the white city',
    ]);
    expect(results.map(({ metric, score, n }) => [metric, score, n])).toEqual([
      ['acc', 0.5, 2],
      ['acc_norm', 0.5, 2],
      ['exact_match', 0.5, 2],
    ]);
    expect(tasks[0]).toMatchObject({
      version: 2,
      shots: 1,
      problems: [{ reason: 'answer out of range', count: 1 }],
    });
  });

  test('choices that are contexts: the number stands in place of the question', async () => {
    const folder = write({
      'gap.yaml': `task: gap
dataset_path: json
dataset_kwargs: {data_files: {test: test.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: answer
doc_to_choice: "{{[start ~ one, start ~ two]}}"
doc_to_target: end
metric_list: [{metric: acc}]
`,
      'test.jsonl': lines({ start: 'The trophy, for ', one: 'it', two: 'he', end: 'was big.', answer: 1 }),
    });
    const model = answering({ place: 1 });
    const { results } = await run(folder, 'gap.yaml', model);
    const [asked] = model.asked;
    expect(asked?.kind === 'choices' && asked.choices).toEqual([
      { lead: 'The trophy, for it', continuations: [' was big.'] },
      { lead: 'The trophy, for he', continuations: [' was big.'] },
    ]);
    expect(results[0]?.score).toBe(1);
  });

  test('several right choices, f1, mcc and the Brier score', async () => {
    const yaml = (metric: string, target: string): string => `task: ${metric}
dataset_path: csv
dataset_kwargs: {data_files: {test: test.csv}}
test_split: test
output_type: multiple_choice
doc_to_text: text
doc_to_choice: ["no", "yes"]
doc_to_target: ${target}
metric_list: [{metric: ${metric}}]
`;
    const folder = write({
      'f1.yaml': yaml('f1', 'label'),
      'mcc.yaml': yaml('mcc', 'label'),
      'acc.yaml': yaml('acc', '"{{ [0, 1] }}"'),
      'brier_score.yaml': yaml('brier_score', 'label'),
      'test.csv': 'text,label\none,1\ntwo,0\nthree,1\nfour,1\n',
    });
    // yes, no, no, yes
    const model = new FakeModel((question, index, { onAnswer }) => {
      const logLikelihoods = [[index === 0 || index === 3 ? -2 : -1, index === 0 || index === 3 ? -1 : -2]];
      onAnswer(index, {
        prompt: promptText(question.prompt),
        ids: null,
        droppedShots: 0,
        logLikelihoods,
        isGreedy: [[false, false]],
      });
    });
    const scoreOf = async (name: string): Promise<number> =>
      (await run(folder, `${name}.yaml`, model)).results[0]?.score ?? Number.NaN;
    // scikit-learn 1.7: f1_score([1,0,1,1],[1,0,0,1]) and matthews_corrcoef of the same.
    expect(await scoreOf('f1')).toBeCloseTo(0.8, 12);
    expect(await scoreOf('mcc')).toBeCloseTo(0.5773502691896258, 12);
    expect(await scoreOf('acc')).toBe(1);
    const [low, high] = [1 / (1 + Math.E), Math.E / (1 + Math.E)];
    expect(await scoreOf('brier_score')).toBeCloseTo((3 * 2 * low ** 2 + 2 * high ** 2) / 4, 12);
  });
});

test('loglikelihood: the target itself stands behind the text, perplexity of all', async () => {
  const folder = write({
    'last.yaml': `task: last
dataset_path: json
dataset_kwargs: {data_files: {test: test.jsonl}}
test_split: test
output_type: loglikelihood
doc_to_text: "{{text.split(' ')[:-1] | join(' ')}}"
doc_to_target: "{{' ' + text.split(' ')[-1]}}"
metric_list:
  - {metric: perplexity, aggregation: perplexity, higher_is_better: false}
  - {metric: acc, aggregation: mean, higher_is_better: true}
`,
    'test.jsonl': lines({ text: 'the cat sat' }, { text: 'a dog' }),
  });
  const model = answering();
  const { results, lines: samples } = await run(folder, 'last.yaml', model);
  expect(model.asked.map((asked) => asked.kind === 'choices' && asked.choices[0]?.continuations)).toEqual([
    [' sat'],
    [' dog'],
  ]);
  expect(samples.map(({ prompt }) => prompt)).toEqual(['the cat', 'a']);
  expect(results.map(({ metric, score }) => [metric, score])).toEqual([
    ['perplexity', Math.E],
    ['acc', 1],
  ]);
});

const SUMS = `task: sums
dataset_path: json
dataset_kwargs: {data_files: {train: [train.jsonl], test: test.jsonl}}
training_split: train
test_split: test
fewshot_split: train
output_type: generate_until
doc_to_text: "Q: {{q}}\\nA:"
doc_to_target: "{{a}}"
generation_kwargs: {until: ["Q:", "\\n\\n"], max_gen_toks: 16, do_sample: true, temperature: 0.5}
repeats: 3
num_fewshot: 2
filter_list:
  - name: vote
    filter:
      - {function: regex, regex_pattern: "(-?[0-9]+)", group_select: -1}
      - {function: majority_vote}
      - {function: take_first}
  - name: first
    filter:
      - {function: regex, regex_pattern: "is (-?[0-9,]+)"}
      - {function: take_first}
metric_list:
  - metric: exact_match
    ignore_punctuation: true
    regexes_to_ignore: ["(?s).*#### "]
`;

test('generate_until: stops, filters, votes over repeats, and examples drawn by the seed of the harness', async () => {
  const folder = write({
    'sums.yaml': SUMS,
    'train.jsonl': lines(
      ...Array.from({ length: 10 }, (_, index) => ({ q: `q${index}`, a: `w\n#### ${index}` })),
    ),
    'test.jsonl': lines({ q: '5+7?', a: 'so\n#### 12' }),
  });
  const model = answering({ text: 'it is 1,1 Q: 12|12. \n\n13|answer is 12' });
  const { results, lines: samples } = await run(folder, 'sums.yaml', model);
  // random.Random(1234).sample(range(10), 2) is [7, 1].
  expect(samples[0]?.prompt).toBe('Q: q7\nA: w\n#### 7\n\nQ: q1\nA: w\n#### 1\n\nQ: 5+7?\nA:');
  expect(results.map(({ metric, score }) => [metric, score])).toEqual([
    ['exact_match,vote', 1],
    ['exact_match,first', 0],
  ]);
  expect(samples[0]).toMatchObject({ extracted: '12', target: 'so\n#### 12' });
  expect(model.asked[0]).toMatchObject({
    kind: 'text',
    form: 'plain',
    repeats: 3,
    maxNewTokens: 16,
    stop: ['Q:', '\n\n'],
    sampling: { temperature: 0.5 },
  });
});

test('a question is not its own example, and more examples than there are are refused', async () => {
  const rows = Array.from({ length: 3 }, (_, index) => ({ q: `q${index}`, a: String(index) }));
  const folder = write({
    'sums.yaml': SUMS.replace('fewshot_split: train', 'fewshot_split: test'),
    'test.jsonl': lines(...rows),
  });
  const { lines: samples } = await run(folder, 'sums.yaml');
  for (const [index, { prompt }] of samples.entries()) {
    expect(prompt?.split('Q: ')).toHaveLength(4);
    expect(prompt?.slice(0, prompt.lastIndexOf('Q: ')), prompt ?? '').not.toContain(`q${index}\n`);
  }
  await expect(run(folder, 'sums.yaml', answering(), { shots: 3 })).rejects.toThrow(
    /3 examples are wanted, but .* has only 3 rows/,
  );
});

describe('groups', () => {
  const member = (name: string, more = ''): string =>
    `include: base_yaml\ntask: set_${name}\ndataset_name: ${name}\n${more}`;
  const BASE = `dataset_path: org/set
test_split: test
output_type: multiple_choice
doc_to_text: q
doc_to_choice: ["A", "B"]
doc_to_target: "{{['A', 'B'].index(a)}}"
tag: set_tasks
metric_list: [{metric: acc}]
`;
  const files = {
    'tasks/base_yaml': BASE,
    'tasks/one.yaml': member('one'),
    'tasks/two.yaml': member('two'),
    'tasks/all.yaml': `group: all_of_it
group_alias: All
task:
  - group: half
    task: [{task: set_one, description: "Half.\\n"}]
  - set_two
aggregate_metric_list: [{metric: acc, weight_by_size: false}]
metadata: {version: 3}
`,
    'tasks/by_tag.yaml':
      'group: tagged\ntask: [set_tasks]\naggregate_metric_list: [{metric: acc, weight_by_size: true}]\n',
    'data/org/set/one/test-00000-of-00001.jsonl': lines(
      { q: '1', a: 'A' },
      { q: '2', a: 'A' },
      { q: '3', a: 'A' },
    ),
    'data/org/set/two/test-00000-of-00001.jsonl': lines({ q: '1', a: 'B' }),
  };

  test('are one task with a score for each part, by size or not', async () => {
    const folder = write(files);
    const { results, lines: samples } = await run(folder, 'tasks/all.yaml', answering(), {
      data: join(folder, 'data'),
    });
    expect(results).toMatchObject([
      {
        task: 'all_of_it',
        score: 0.5,
        n: 4,
        average: 'tasks',
        averages: { tasks: 0.5, samples: 0.75 },
        groups: { half: { score: 1, n: 3 }, set_one: { score: 1, n: 3 }, set_two: { score: 0, n: 1 } },
      },
    ]);
    expect(samples.map(({ id, prompt }) => [id, prompt])).toEqual([
      ['set_one/test-00000-of-00001/0', 'Half.\n1'],
      ['set_one/test-00000-of-00001/1', 'Half.\n2'],
      ['set_one/test-00000-of-00001/2', 'Half.\n3'],
      ['set_two/test-00000-of-00001/0', '1'],
    ]);
    const tagged = await run(folder, 'tasks/by_tag.yaml', answering(), { data: join(folder, 'data') });
    expect(tagged.results).toMatchObject([{ task: 'tagged', score: 0.75, n: 4 }]);
  });

  test('a folder gives its groups, and the tasks that are in none', () => {
    const folder = write({
      ...files,
      'tasks/three.yaml': `${member('two')}`.replace('set_two', 'lone').replace('base_yaml', 'lone_yaml'),
      'tasks/lone_yaml': BASE.replace('tag: set_tasks\n', ''),
    });
    const names = findTasks(join(folder, 'tasks'), join(folder, 'data')).map(({ name }) => name);
    expect(names).toEqual(['all_of_it', 'tagged', 'lone']);
  });

  test.each([
    [
      'tasks/all.yaml',
      'set_two',
      'set_too',
      /all\.yaml:\d+: task: no file below .* "set_too"\. Did you mean `set_two`\?/,
    ],
    ['tasks/all.yaml', '- set_two', '- all_of_it', /the group all_of_it is in itself/],
    ['tasks/one.yaml', 'base_yaml', 'bass_yaml', /one\.yaml:1: include: there is no file .*bass_yaml/],
    [
      'tasks/base_yaml',
      'test_split',
      'include: one.yaml\ntest_split',
      /base_yaml:2: include: one\.yaml includes this file/,
    ],
  ])('%s with %s as %s is refused', (path, from, to, message) => {
    const changed = Object.entries(files).map(([name, content]) => [
      name,
      name === path ? content.replace(from, to) : content,
    ]);
    const folder = write(Object.fromEntries(changed));
    expect(() => findTasks(join(folder, 'tasks/all.yaml'), join(folder, 'data'))).toThrow(message);
  });
});

describe('what cannot be had is refused by file, line and key', () => {
  test.each([
    [
      'metadata',
      'process_docs: !function utils.clean\nmetadata',
      /capitals\.yaml:\d+: process_docs: needs Python: process_docs: !function utils\.clean\./,
    ],
    [
      'metric: exact_match',
      'metric: !function metrics.mine',
      /capitals\.yaml:16: metric_list\.2\.metric: needs Python.*metrics\.mine/,
    ],
    [
      'metric: exact_match',
      'metric: bleu',
      /capitals\.yaml:13: metric_list: there is no metric "bleu".*sacrebleu/,
    ],
    ['metric: exact_match', 'metric: acc_norn', /there is no metric "acc_norn".*Did you mean `acc_norm`\?/],
    [
      '{metric: acc, aggregation: mean',
      '{metric: acc, aggregation: median',
      /the metric acc: there is no aggregation "median"/,
    ],
    [
      'doc_to_choice',
      'doc_to_choise',
      /capitals\.yaml:12: doc_to_choise: unknown key\. Did you mean `doc_to_choice`\?/,
    ],
    [
      'doc_to_text: "{{question.strip()}}',
      'doc_to_text: "{{question.strip(}}',
      /capitals\.yaml:10: doc_to_text: .*\(line 1\)/,
    ],
    [
      'output_type: multiple_choice',
      'output_type: loglikelihood_rolling',
      /capitals\.yaml:9: output_type: loglikelihood_rolling .* is not here/,
    ],
    [
      'output_type: multiple_choice',
      'output_type: multiple_choise',
      /capitals\.yaml:9: output_type: expected one of "multiple_choice"/,
    ],
    ['metadata', 'use_prompt: "promptsource:*"\nmetadata', /use_prompt: needs the package promptsource/],
    ['metadata', 'class: x\nmetadata', /class: unknown key|class: needs a task that is a Python class/],
    [
      'metadata',
      'filter_list: [{name: a, filter: [{function: custom}]}]\nmetadata',
      /filter_list: there is no filter "custom"; it needs a Python function/,
    ],
    [
      'metadata',
      'filter_list: [{name: a, filter: [{function: regx}]}]\nmetadata',
      /there is no filter "regx"\. Did you mean `regex`\?/,
    ],
    [
      'metadata',
      'filter_list: [{name: a, filter: [{function: regex, regex_patern: a}]}]\nmetadata',
      /the filter regex: it takes no "regex_patern"\. Did you mean `regex_pattern`\?/,
    ],
    [
      'metadata',
      'filter_list: [{name: a, filter: [{function: regex, regex_pattern: "a*+"}]}]\nmetadata',
      /possessive/,
    ],
    [
      'test: test.jsonl',
      'test: tset.jsonl',
      /capitals\.yaml:3: dataset_kwargs\.data_files: there is no .*tset\.jsonl/,
    ],
    [
      'test_split: test',
      'test_split: tests',
      /data_files: there is no split "tests"; there are test, dev\. Did you mean `test`\?/,
    ],
    ['sampler: first_n', 'sampler: first', /fewshot_config\.sampler: there is no sampler "first"/],
    [
      '{{label}}',
      '{{lable}}',
      /no row of the split test can be measured: 3 x missing field, the first: .*capitals\.yaml:11: doc_to_target: 'lable' is undefined.*Did you mean `label`\?/,
    ],
  ])('%s as %s', async (from, to, message) => {
    const folder = write({
      'capitals.yaml': CAPITALS.replace(from, to),
      'test.jsonl': ROWS,
      'dev.jsonl': DEV,
    });
    const attempt = async (): Promise<unknown> => run(folder, 'capitals.yaml');
    await expect(attempt()).rejects.toThrow(message);
  });

  test('a data set that is not on this machine: where was looked, and how it is put there', () => {
    const folder = write({
      'a.yaml': CAPITALS.replace(
        /dataset_path: json\ndataset_kwargs.*\n/,
        'dataset_path: org/capitals\ndataset_name: big\n',
      ),
    });
    const find = (): unknown => findTasks(join(folder, 'a.yaml'), join(folder, 'data'));
    expect(find).toThrow(
      /a\.yaml:2: dataset_path: the files of org\/capitals are not on this machine; looked for the folders .*data\/org\/capitals, .*data\/org--capitals.*data\/capitals.* in the folder big/,
    );
    mkdirSync(join(folder, 'data/capitals'), { recursive: true });
    expect(find).toThrow(/holds no file of rows/);
    writeFileSync(join(folder, 'data/capitals/test.jsonl'), ROWS);
    expect(find).toThrow(/a\.yaml:3: dataset_name: .* has nothing with the name "big"/);
  });

  test('written answers to options that are compared, a mode that it has not', () => {
    const folder = write({ 'capitals.yaml': CAPITALS, 'test.jsonl': ROWS, 'dev.jsonl': DEV });
    const wish = {
      task: join(folder, 'capitals.yaml'),
      mode: 'generate' as const,
      output: join(folder, 'out'),
    };
    return expect(evaluateTasks(wish, answering())).rejects.toThrow(
      '--mode generate: capitals can be asked by loglikelihood alone',
    );
  });
});
