/** A system message that is empty, null or without content is none: in serving, in `generate --chat`, in data preparation. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { main } from '../src/cli/main.js';
import { openDataset, prepareDataset } from '../src/data/index.js';
import { goldenFolder } from './support/golden.js';
import { startOpenAiServer } from './support/openai-server.js';
import { requiresShared } from './support/requires.js';
import { sharedCases } from './support/shared-cases.js';
import { writeTinyModel } from './support/tiny-model.js';

const question = { role: 'user', content: 'x' };
const answer = { role: 'assistant', content: 'Hi' };
const none: readonly object[] = [
  { role: 'system', content: '' },
  { role: 'system', content: null },
  { role: 'system' },
];
const brief = { role: 'system', content: 'Be brief.' };
const shared = sharedCases('data/f1-5.jsonl');

const folder = mkdtempSync(join(tmpdir(), 'xinghe-system-'));
let model = '';
beforeAll(async () => {
  model = await writeTinyModel();
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(dirname(model), { recursive: true, force: true });
});
afterEach(() => vi.restoreAllMocks());

let names = 0;
function jsonl(...records: object[]): string {
  const path = join(folder, `records-${names++}.jsonl`);
  writeFileSync(path, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  return path;
}

/** Runs the command in this process. */
async function generate(...args: string[]): Promise<(string | null)[]> {
  let stdout = '';
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    stdout += String(chunk);
    return true;
  });
  expect(await main(['generate', '--model', model, ...args, '--max-new-tokens', '12'])).toBe(0);
  vi.restoreAllMocks();
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).predict);
}

async function rows(input: string): Promise<number[][]> {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const output = join(folder, `rows-${names++}`);
  const tokenizer = `${goldenFolder}tokenizers/spm_bpe_bytefallback`;
  await prepareDataset({
    tokenizer,
    seqLength: 127,
    workers: 1,
    form: 'messages',
    recipe: 'xverse-sft',
    inputs: [input],
    output,
  });
  const dataset = openDataset(output);
  const found = Array.from({ length: dataset.rowCount }, (_, index) => [...dataset.row(index).ids]);
  dataset.close();
  return found;
}

test('serving: chat, and the system fields of other routes', async () => {
  const server = await startOpenAiServer();
  const prompt = async (path: string, body: object): Promise<readonly number[] | undefined> => {
    const { status, json } = await server.post(path, { model: 'spark', ...body });
    expect(status, JSON.stringify(json)).toBe(200);
    return server.engine.requests.at(-1)?.promptIds;
  };
  const chat = (...messages: object[]) => prompt('/v1/chat/completions', { messages });
  const plain = await chat(question);
  expect(await chat(brief, question)).not.toEqual(plain);
  for (const system of none) {
    expect(await chat(system, question)).toEqual(plain);
    expect(await prompt('/api/chat', { stream: false, messages: [system, question] })).toEqual(plain);
  }
  for (const text of ['', null]) {
    expect(await prompt('/v1/messages', { max_tokens: 8, system: text, messages: [question] })).toEqual(
      plain,
    );
    expect(await prompt('/v1/responses', { instructions: text, input: 'x' })).toEqual(plain);
    expect(await prompt('/api/generate', { stream: false, system: text, prompt: 'x' })).toEqual(plain);
  }
  await server.close();
});

test('generate --chat: messages, and --system ""', async () => {
  const of = (...messages: object[]) => ({ messages });
  const records = [of(question), of(brief, question), ...none.map((system) => of(system, question))];
  const [plain, other, ...same] = await generate('--chat', '--input', jsonl(...records));
  expect(other).not.toEqual(plain);
  expect(same).toEqual([plain, plain, plain]);
  const input = jsonl({ input: 'x' });
  expect(await generate('--chat', '--system', '', '--input', input)).toEqual([plain]);
  expect(await generate('--chat', '--input', input)).toEqual([plain]);
});

test('data preparation: the same row as without a system message', async () => {
  const of = (...messages: object[]) => jsonl({ messages });
  const plain = await rows(of(question, answer));
  expect(await rows(of(brief, question, answer))).not.toEqual(plain);
  for (const system of none) expect(await rows(of(system, question, answer))).toEqual(plain);
});

test('f1-5.jsonl: all three', requiresShared(shared), async () => {
  const { messages } = JSON.parse(readFileSync(shared ?? '', 'utf8'));
  expect(messages).toEqual([none[0], question, answer]);
  expect(await rows(shared ?? '')).toEqual(await rows(jsonl({ messages: [question, answer] })));
  const asked = [messages.slice(0, 2), [question]].map((turns) => ({ messages: turns }));
  const [found, plain] = await generate('--chat', '--input', jsonl(...asked));
  expect(found).toEqual(plain);
  const server = await startOpenAiServer();
  for (const { messages } of asked) await server.post('/v1/chat/completions', { messages });
  const [first, second] = server.engine.requests;
  expect(first?.promptIds).toEqual(second?.promptIds);
  await server.close();
});
