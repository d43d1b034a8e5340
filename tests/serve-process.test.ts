/** `xinghe serve` with a tiny model: its engine killed, stopped, left by its clients; its end in every way. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { casesOf, longTest } from './support/long-suite.js';
import { eventsOf, isProcess, ServedProcess, until } from './support/served-process.js';
import { tinyAdapter, writeTinyModel } from './support/tiny-model.js';

let model: string;
const scratch = mkdtempSync(join(tmpdir(), 'xinghe-serve-'));
beforeAll(async () => {
  model = await writeTinyModel();
});
afterAll(() => {
  rmSync(dirname(model), { recursive: true, force: true });
  rmSync(scratch, { recursive: true, force: true });
});

const servers: ServedProcess[] = [];
function start(args: readonly string[] = [], environment: NodeJS.ProcessEnv = {}): ServedProcess {
  const server = new ServedProcess(['--model', model, '--port', '0', '--quiet', ...args], environment);
  servers.push(server);
  return server;
}
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.end()));
});

/** A stream that does not end before its last token. */
const long = (tokens: number, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  prompt: 'Once upon a time',
  max_tokens: tokens,
  temperature: 0,
  ignore_eos: true,
  stream: true,
  ...more,
});

test('loading, ready, adapters, an engine that is killed under load and comes back with them', async () => {
  const server = start(['--adapter', `poet=${tinyAdapter}`, '--served-model-name', 'star']);
  await server.listening();
  const early = await fetch(`${server.url}/health`);
  expect([early.status, await early.json()]).toEqual([
    503,
    {
      error: expect.objectContaining({
        message: expect.stringMatching(/^Loading model/),
        type: 'unavailable_error',
      }),
    },
  ]);
  const tooEarly = await server.post('/v1/completions', long(4));
  expect([tooEarly.status, tooEarly.headers.get('retry-after')]).toEqual([503, '5']);
  await server.ready();
  expect(server.stderr).toMatch(/serves "star" at http:\/\/127\.0\.0\.1:\d+\/v1/);
  expect(server.stderr).toMatch(/no API key is needed/);
  expect(await server.models()).toEqual(['star', 'poet']);
  const answer = async (name: string): Promise<string> => {
    const response = await server.post('/v1/completions', long(12, { model: name }));
    expect(response.status).toBe(200);
    const events = eventsOf(await response.text()).slice(0, -1);
    return events.map((event) => JSON.parse(event).choices[0].text).join('');
  };
  const before = { star: await answer('star'), poet: await answer('poet') };
  expect(before.poet).not.toBe(before.star);

  const streams = Array.from({ length: 12 }, async (_, index) => {
    const response = await server.post('/v1/completions', long(5000, { prompt: `Number ${index}` }));
    expect(response.status).toBe(200);
    return await response.text();
  });
  await until(async () => (await server.metric('vllm:num_requests_running')) === 12, '12 run');
  const { enginePid = 0 } = server;
  process.kill(enginePid, 'SIGKILL');
  for (const stream of await Promise.all(streams)) {
    const events = eventsOf(stream);
    expect(events.at(-1)).toBe('[DONE]');
    expect(JSON.parse(events.at(-2) ?? '').error).toMatchObject({
      message: expect.stringMatching(/by signal SIGKILL; it is being started again/),
      code: 503,
    });
  }
  const refused = await server.post('/v1/completions', long(4));
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
  expect(await server.health()).toBe(503);
  await server.ready();
  expect(isProcess(enginePid), 'no zombie').toBe(false);
  expect({ star: await answer('star'), poet: await answer('poet') }).toEqual(before);
  expect(server.stderr).toMatch(
    /error: The engine's process ended by signal SIGKILL; it is started again in 0\.5 s/,
  );

  const { enginePid: second = 0 } = server;
  server.kill('SIGKILL');
  await server.exit;
  await until(() => !isProcess(second), 'the engine is gone with its server');
});

test('a stopped engine: health 503, and 200 when it goes on; hanging up frees the sequence; a slow reader waits alone', async () => {
  const server = start(['--stall-timeout', '1']);
  await server.ready();
  const { enginePid = 0 } = server;
  process.kill(enginePid, 'SIGSTOP');
  await until(async () => (await server.health()) === 503, 'the silence is noticed');
  process.kill(enginePid, 'SIGCONT');
  await until(async () => (await server.health()) === 200, 'it is heard again');

  const hangUp = new AbortController();
  const responses = await Promise.all(
    [1, 2, 3].map(() => server.post('/v1/completions', long(8000), { signal: hangUp.signal })),
  );
  for (const response of responses) await response.body?.getReader().read();
  await until(async () => (await server.metric('vllm:num_requests_running')) === 3, 'three run');
  hangUp.abort();
  await until(async () => (await server.metric('vllm:num_requests_running')) === 0, 'none runs');
  expect(await server.metric('vllm:kv_cache_usage_perc'), 'all blocks are free').toBe(0);

  // An event with 20 log-probabilities has about 2 KB: the buffers between the two are full after some hundred steps.
  const slowly = new AbortController();
  const { signal } = slowly;
  const slow = await server.post('/v1/completions', long(8000, { logprobs: 20, n: 16 }), { signal });
  expect(slow.status).toBe(200);
  const standsStill = async (): Promise<boolean> => {
    const before = await server.metric('vllm:generation_tokens_total');
    await new Promise((resolve) => setTimeout(resolve, 600));
    return (await server.metric('vllm:generation_tokens_total')) === before;
  };
  await until(standsStill, 'nobody takes the events, so no more are made');
  expect(await server.metric('vllm:num_requests_running')).toBe(16);
  const quick = await server.post('/v1/completions', long(50));
  expect(eventsOf(await quick.text()).at(-1)).toBe('[DONE]');
  slowly.abort();
  await until(async () => (await server.metric('vllm:num_requests_running')) === 0, 'none runs');
  expect(server.stderr, 'of too many listeners and the like').not.toMatch(/warning/i);
});

describe('the end', () => {
  test.each(casesOf(['SIGTERM', 'SIGHUP'] as const, (signal) => signal === 'SIGTERM'))(
    '%s: what is under way is finished, exit 0',
    async (signal) => {
      const server = start();
      await server.ready();
      const response = await server.post('/v1/completions', long(400));
      const { enginePid = 0 } = server;
      // A terminal that is closed tells all of its processes.
      if (signal === 'SIGHUP') process.kill(enginePid, signal);
      server.kill(signal);
      const events = eventsOf(await response.text());
      expect(events.at(-1)).toBe('[DONE]');
      expect(JSON.parse(events.at(-2) ?? '').choices[0].finish_reason).toBe('length');
      expect(await server.exit).toMatchObject({
        code: 0,
        stderr: expect.stringMatching(/ending: 1 requests? under way/),
      });
      expect(isProcess(enginePid)).toBe(false);
    },
  );

  longTest('--drain-timeout: what takes longer ends with an error', async () => {
    const server = start(['--drain-timeout', '0.3']);
    await server.ready();
    const response = await server.post('/v1/completions', long(8000));
    server.kill('SIGTERM');
    const events = eventsOf(await response.text());
    expect(events.at(-1)).toBe('[DONE]');
    expect(JSON.parse(events.at(-2) ?? '').error.code).toBe(503);
    expect((await server.exit).code).toBe(0);
  });

  longTest('a second SIGINT: at once, exit 130', async () => {
    const server = start();
    await server.ready();
    const { enginePid = 0 } = server;
    const response = await server.post('/v1/completions', long(8000));
    server.kill('SIGINT');
    await until(() => server.stderr.includes('ending: '), 'the first one is heard');
    server.kill('SIGINT');
    expect((await server.exit).code).toBe(130);
    await expect(response.text()).rejects.toThrow();
    await until(() => !isProcess(enginePid), 'the engine is gone');
  });

  test('SIGTERM while the model is being loaded: exit 0', async () => {
    const server = start();
    await server.listening();
    server.kill('SIGTERM');
    expect((await server.exit).code).toBe(0);
  });
});

test('keys: asked for on every route but health and the page', async () => {
  const keys = join(scratch, 'keys');
  writeFileSync(keys, '# people\nann:0123456789abcdef\n', { mode: 0o600 });
  const server = start(['--api-key-file', keys], { XINGHE_ADMIN_KEY: 'administration' });
  await server.ready();
  expect(server.stderr).toMatch(/callers need an API key/);
  expect((await fetch(`${server.url}/v1/models`)).status).toBe(401);
  expect((await fetch(`${server.url}/metrics`)).status).toBe(401);
  const headers = { authorization: 'Bearer 0123456789abcdef' };
  expect((await fetch(`${server.url}/v1/models`, { headers })).status).toBe(200);
  const adapter = { lora_name: 'poet', lora_path: tinyAdapter };
  expect((await server.post('/v1/load_lora_adapter', adapter, { headers })).status).toBe(403);
  const admin = { authorization: 'Bearer administration' };
  expect((await server.post('/v1/load_lora_adapter', adapter, { headers: admin })).status).toBe(200);
  expect(await server.models({ headers })).toEqual(['tiny', 'poet']);
});

describe('what cannot be served is told in one line, exit 2', () => {
  const refused: readonly [string, readonly string[], RegExp][] = [
    ['no model', ['--model', '/nowhere/nothing'], /nothing: no such model folder/],
    [
      'an adapter that is named as the model',
      ['--adapter', 'tiny=/nowhere/none'],
      /adapter "tiny" is named as/,
    ],
    ['no adapter', ['--adapter', 'poet=/nowhere/none'], /none/],
    [
      'texts that are too long',
      ['--max-model-len', '999999'],
      /--max-model-len is 999999; the model allows \d+/,
    ],
    ['a cache that is too large', ['--kv-cache-memory', '500TB'], /KV cache of \d+ tokens needs 500 TB/],
  ];
  test.each(casesOf(refused, ([name]) => !/^(?:no adapter|texts|a cache)/.test(name)))(
    '%s',
    async (_, args, message) => {
      const common = ['--port', '0', ...(args[0] === '--model' ? [] : ['--model', model])];
      const { code, stderr } = await new ServedProcess([...common, ...args]).exit;
      expect(stderr).toMatch(message);
      expect(stderr, 'no stack').not.toMatch(/^ +at /m);
      expect(stderr, 'told once').not.toMatch(/^error: /m);
      expect(code).toBe(2);
    },
  );

  test('a port that is taken', async () => {
    const first = start();
    await first.listening();
    const second = new ServedProcess(['--model', model, '--port', new URL(first.url).port]);
    const { code, stderr } = await second.exit;
    expect([code, stderr]).toEqual([2, expect.stringMatching(/port \d+ .*in use/)]);
  });
});
