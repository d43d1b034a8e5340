import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { goldenFolder } from '../../tests/support/golden.js';
import { alternating } from './chat-prompt.js';
import { loadServedModel, modelName, type ServedModel } from './served-model.js';

let folder: string;
let model: ServedModel;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'served-'));
  const config = readFileSync(`${goldenFolder}spark/model_config.yaml`, 'utf8');
  writeFileSync(join(folder, 'model_config.yaml'), config.replace('vocab_size: 320', 'vocab_size: 960'));
  copyFileSync(`${goldenFolder}tokenizers/spark_like/tokenizer.model`, join(folder, 'tokenizer.model'));
  model = loadServedModel({ path: folder, id: 'spark', created: 7, tokenizerPath: folder });
});

test('a model folder without weights is enough: stops, length, defaults', () => {
  expect(model).toMatchObject({
    id: 'spark',
    created: 7,
    chatFault: undefined,
    defaults: { eosTokenIds: [] },
  });
  expect(model.stopTokenIds).toContain(model.tokenizer.tokenToId('<end>'));
  expect(model.maxModelLength).toBeGreaterThan(16);
  expect(model.longestToken).toBeGreaterThanOrEqual('<User>'.length);
});

test('generation_config.json gives defaults and ends; a wrong one is refused with its place', () => {
  const file = join(folder, 'generation_config.json');
  writeFileSync(file, '{"temperature": 0.3, "top_k": 5, "eos_token_id": [7, 9], "do_sample": false}');
  const served = loadServedModel({ path: folder });
  expect(served.defaults).toMatchObject({ temperature: 0.3, topK: 5, topP: undefined, eosTokenIds: [7, 9] });
  expect(served.stopTokenIds).toEqual(expect.arrayContaining([7, 9]));
  writeFileSync(file, '{"top_p": 2}');
  expect(() => loadServedModel({ path: folder })).toThrow('generation_config.json: top_p');
});

test('a chat template of tokenizer_config.json, alone or among several, or of its own file', () => {
  rmSync(join(folder, 'generation_config.json'), { force: true });
  expect(model.template).toBeUndefined();
  const template = (wish?: string): string | undefined =>
    loadServedModel({ path: folder, chat: { template: wish } }).template?.text;
  const config = (chat_template: unknown): void =>
    writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify({ chat_template }));
  config('one');
  // The family has a format of its own.
  expect(template()).toBeUndefined();
  expect(template('model')).toBe('one');
  config([
    { name: 'tool_use', template: 'other' },
    { name: 'default', template: 'two' },
  ]);
  expect(template('model')).toBe('two');
  writeFileSync(join(folder, 'chat_template.jinja'), 'three');
  expect(template('model')).toBe('three');
});

test('a conversation becomes strict turns', () => {
  expect(
    alternating([
      { role: 'system', content: 'a' },
      { role: 'system', content: 'b' },
      { role: 'assistant', content: 'hello' },
      { role: 'user', content: 'one' },
      { role: 'system', content: 'be short' },
      { role: 'user', content: 'two' },
    ]),
  ).toEqual([
    { role: 'system', content: 'a\nb' },
    { role: 'user', content: '' },
    { role: 'assistant', content: 'hello' },
    { role: 'user', content: 'one\nbe short\ntwo' },
  ]);
});

test('a prompt, a begun answer, a whole conversation', () => {
  const turns = [
    { role: 'user', content: '你好' },
    { role: 'assistant', content: '很高兴' },
  ] as const;
  const text = (ids: number[]): string => model.tokenizer.decode(ids);
  expect(text(model.renderChat(turns.slice(0, 1)))).toBe('<User> 你好<end><Bot> ');
  expect(text(model.renderChat(turns, { continueFinalMessage: true }))).toMatch(/<Bot> {1,2}很高兴$/);
  expect(text(model.renderChat(turns, { addGenerationPrompt: false }))).toMatch(/很高兴<end>$/);
  expect(text(model.renderChat(turns))).toMatch(/很高兴<end><User> <end><Bot> $/);
  expect(() => model.renderChat(turns.slice(0, 1), { continueFinalMessage: true })).toThrow('the user');
  expect(() => model.renderChat([])).toThrow('none');
});

test.each([
  ['weights/xverse-13b', 'xverse-13b'],
  ['weights/xverse-13b/', 'xverse-13b'],
  ['out/demo/model', 'demo'],
  ['runs/persona/final', 'persona'],
  ['models/small.gguf', 'small'],
  ['/model', 'model'],
])('a model in %s is called %s', (path, name) => {
  expect(modelName(path)).toBe(name);
});
