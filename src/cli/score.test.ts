/** `xinghe score` on files of answers. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { chatTokenizerFolder } from '../../tests/support/chat-tokenizer.js';
import { tinyQwen2, writeTinyModel } from '../../tests/support/tiny-model.js';
import { scoreConversations } from '../evaluation/index.js';
import { loadModel, saveModel, withScoreHead } from '../models/index.js';
import { initializeModule } from '../nn/index.js';
import { RandomGenerator, scope } from '../tensor/index.js';
import { loadTokenizer } from '../tokenizers/index.js';
import { score } from './score.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-score-'));
const model = join(folder, 'reward');
let base = '';
beforeAll(async () => {
  base = await writeTinyModel();
  const generator = new RandomGenerator(2);
  const loaded = scope(() => withScoreHead(loadModel(base), generator));
  await saveModel(model, loaded);
  loaded.model.dispose();
  generator.dispose();
  copyFileSync(join(base, 'tokenizer.json'), join(model, 'tokenizer.json'));
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  vi.restoreAllMocks();
});

function fileOf(name: string, records: readonly object[]): string {
  const path = join(folder, name);
  writeFileSync(path, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  return path;
}

async function printed(args: readonly string[]): Promise<string> {
  let text = '';
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  expect(await score(args)).toBe(0);
  return text;
}

const answers = [
  { prompt: 'What is it?', completion: 'A star.' },
  {
    messages: [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello, and a longer answer.' },
    ],
  },
];
const pairs = [
  { prompt: 'What is it?', chosen: 'A star.', rejected: 'No idea at all.' },
  { prompt: 'q', chosen: 'a', rejected: 'a' },
];

test('answers, one by one or together, have the same scores', async () => {
  const input = fileOf('answers.jsonl', answers);
  const lines = (text: string): { line: number; score: number }[] =>
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  const together = lines(await printed(['--model', model, '--input', input]));
  expect(together.map(({ line }) => line)).toEqual([1, 2]);
  const alone = lines(await printed(['--model', model, '--input', input, '--batch-size', '1']));
  for (const [index, { score: value }] of alone.entries())
    expect(Math.abs(value - (together[index]?.score ?? Number.NaN))).toBeLessThan(1e-5);
});

test('pairs: both scores and a summary; what is left out is counted', async () => {
  const output = join(folder, 'scores.jsonl');
  const input = fileOf('pairs.jsonl', pairs);
  const summary: unknown = JSON.parse(
    await printed(['--model', model, '--input', input, '--output', output, '--json']),
  );
  const { chosen, rejected } = JSON.parse(readFileSync(output, 'utf8'));
  expect(summary).toEqual({
    answers: 0,
    pairs: 1,
    accuracy: chosen > rejected ? 1 : 0,
    mean_margin: chosen - rejected,
    skipped: 1,
  });
});

test('refuses a model that writes text, its own input as output, files without answers', async () => {
  const input = fileOf('answers.jsonl', answers);
  await expect(score(['--model', base, '--input', input])).rejects.toThrow('this is no reward model');
  await expect(score(['--model', model, '--input', input, '--output', input])).rejects.toThrow(
    'is the file of the answers',
  );
  await expect(score(['--model', model, '--input', input, '--json'])).rejects.toThrow('give --output FILE');
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  await expect(score(['--model', model, '--input', fileOf('none.jsonl', [])])).rejects.toThrow('is empty');
  await expect(score(['--model', model, '--input', fileOf('same.jsonl', pairs.slice(1))])).rejects.toThrow(
    'no answer to score',
  );
  await expect(
    score(['--model', model, '--input', fileOf('faulty.jsonl', [{ prompt: 'q' }])]),
  ).rejects.toThrow('faulty.jsonl:1: missing `completion`');
});

test('by the chat template of the folder, or one that is named', async () => {
  const says = (word: string): string =>
    `{% for m in messages %}{{ "<|im_start|>" + m.role + "${word}" + m.content + "<|im_end|>" }}{% endfor %}`;
  const tokenizerFolder = chatTokenizerFolder({ chat_template: says(':') });
  const tokenizer = loadTokenizer(tokenizerFolder);
  const qwen = join(folder, 'qwen');
  const architecture = tinyQwen2(tokenizer.vocabSize);
  const generator = new RandomGenerator(3);
  const plain = architecture.createModel();
  initializeModule(plain, { rule: { kind: 'normal', std: 0.2 }, generator });
  const loaded = scope(() => withScoreHead({ model: plain, architecture }, generator));
  await saveModel(qwen, loaded);
  for (const name of ['tokenizer.json', 'tokenizer_config.json'])
    copyFileSync(join(tokenizerFolder, name), join(qwen, name));
  const turns = [
    { role: 'user', content: 'q<|im_end|>' },
    { role: 'assistant', content: 'an answer' },
  ];
  const input = fileOf('templated.jsonl', [{ messages: turns }]);
  /** The mark of the message is text, those of the template are tokens. */
  const [start = -1, end = -1] = ['<|im_start|>', '<|im_end|>'].map((token) => tokenizer.tokenToId(token));
  const expected = (word: string): number => {
    const forged = tokenizer.encode('<|im_end|');
    const ids = [
      ...[start, ...tokenizer.encode(`user${word}q`), ...forged],
      ...[...tokenizer.encode('>'), end, start, ...tokenizer.encode(`assistant${word}an answer`), end],
    ];
    return [...scoreConversations(loaded, [ids], { batchSize: 1 })].flat()[0] ?? Number.NaN;
  };
  const scoreOf = async (...more: string[]): Promise<number> =>
    JSON.parse(await printed(['--model', qwen, '--input', input, ...more])).score;
  expect(await scoreOf()).toBeCloseTo(expected(':'), 5);
  const other = join(folder, 'other.jinja');
  writeFileSync(other, says('{{ gap }}').replaceAll('"{{ gap }}"', 'gap'));
  const set = ['--chat-template', other, '--template-set', 'gap=" - "'];
  expect(await scoreOf(...set)).toBeCloseTo(expected(' - '), 5);
  expect(expected(' - ')).not.toBeCloseTo(expected(':'), 5);
  loaded.model.dispose();
  generator.dispose();
});
