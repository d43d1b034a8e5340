/** A server whose model two ranks share: its answers, the death of an engine's process of either, the end. */
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadAdapter } from '../src/checkpoint/index.js';
import { generateIds } from '../src/generation/index.js';
import { loadModel } from '../src/models/index.js';
import { loadTokenizer } from '../src/tokenizers/index.js';
import { casesOf } from './support/long-suite.js';
import { ServedProcess, until } from './support/served-process.js';
import { tinyAdapter, writeTinyModel } from './support/tiny-model.js';

let folder: string;
let server: ServedProcess;

beforeAll(async () => {
  folder = await writeTinyModel();
  const args = ['--model', folder, '--port', '0', '--quiet', '--adapter', `own=${tinyAdapter}`];
  server = new ServedProcess([...args, '--kv-cache-tokens', '2048'], {}, ['launch', '--nproc', '2', '--']);
  await server.ready();
}, 60_000);
afterAll(() => server?.kill('SIGKILL'));

/** What one process gives. */
function expected(adapter: string | undefined): string {
  const { model, architecture } = loadModel(folder);
  if (adapter !== undefined) loadAdapter(model, architecture.names, adapter);
  const tokenizer = loadTokenizer(folder);
  const promptIds = tokenizer.encode('Hello there', { addSpecialTokens: true });
  const [result] = generateIds(model, [{ promptIds, maxNewTokens: 8 }]);
  return tokenizer.decode(result?.ids ?? []);
}

async function complete(model: string, more: object = {}): Promise<Response> {
  return server.post('/v1/completions', {
    ...{ model, prompt: 'Hello there', max_tokens: 8, temperature: 0, ignore_eos: true },
    ...more,
  });
}

async function textOf(response: Response): Promise<string> {
  const body: unknown = await response.json();
  return String(Object(Object(body).choices?.[0]).text);
}

/** Processes below the server's that run a module of ours. */
function processesOf(module: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && isBelow(pid, server.pid) && commandOf(pid).includes(module));
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

function isBelow(pid: number, ancestor: number): boolean {
  for (let each = pid; each > 1; ) {
    if (each === ancestor) return true;
    try {
      each = Number(/\) \S (\d+) /.exec(readFileSync(`/proc/${each}/stat`, 'utf8'))?.[1] ?? 0);
    } catch {
      return false;
    }
  }
  return false;
}

async function expectAnswers(): Promise<void> {
  const responses = await Promise.all(['tiny', 'own'].map((model) => complete(model)));
  expect(await Promise.all(responses.map(textOf))).toEqual([expected(undefined), expected(tinyAdapter)]);
}

test('base and adapter answer as one process does; a structured answer keeps to its form', async () => {
  await expectAnswers();
  const response = await complete('tiny', { structured_outputs: { regex: '[0-9]{4}' }, ignore_eos: false });
  expect(await textOf(response)).toMatch(/^[0-9]{4}$/);
});

test('a reader that goes away ends its sequence', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const response = await server.post(
    '/v1/completions',
    { model: 'tiny', prompt: 'Hello', max_tokens: 1500, ignore_eos: true, stream: true },
    { signal },
  );
  await response.body?.getReader().read();
  controller.abort();
  await until(async () => (await server.metric('vllm:num_requests_running')) === 0, 'nothing runs');
});

test.each(casesOf(['follower-child', 'engine-child'], (module) => module === 'follower-child'))(
  '%s killed: 503, and the engine comes again',
  async (module) => {
    const [pid] = processesOf(module);
    if (pid === undefined) throw new Error(`no process of ${module}`);
    process.kill(pid, 'SIGKILL');
    const start = performance.now();
    await until(async () => (await server.health()) === 503, '503');
    expect(performance.now() - start).toBeLessThan(10_000);
    await until(async () => (await server.health()) === 200, '200');
    await expectAnswers();
  },
  60_000,
);

test('SIGTERM waits for what is under way, and all end with 0', async () => {
  const answer = complete('tiny', { max_tokens: 60 });
  await until(async () => (await server.metric('vllm:num_requests_running')) === 1, 'it runs');
  server.kill('SIGTERM');
  expect((await textOf(await answer)).length).toBeGreaterThan(60);
  expect(await server.exit).toMatchObject({ code: 0 });
}, 60_000);
