/** The engine's process with a scripted engine: killed, stopped, crashed, refused, overrun. */
import { spawn } from 'node:child_process';
import { afterEach, describe, expect, test } from 'vitest';
import { casesOf, longTest } from '../../../tests/support/long-suite.js';
import { InputError } from '../../errors/index.js';
import type { TextEvent, TextRequest } from '../../generation/index.js';
import { compiledModule } from '../../workers/index.js';
import { EngineUnavailableError, QueueFullError } from '../engine-service.js';
import { EngineProcess, type EngineProcessOptions } from './engine-process.js';
import { LAG_LIMIT } from './event-queue.js';
import { ABORTS, FAILS_LATER, FAULT, REFUSED, type TestSetup } from './test-engine.js';

const opened: EngineProcess[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((engine) => engine.close()));
});

async function open(setup: TestSetup = {}, more: Partial<EngineProcessOptions> = {}): Promise<EngineProcess> {
  const engine = new EngineProcess({
    module: new URL('./test-engine.js', import.meta.url),
    setup,
    queue: { maxRequests: 100, maxTokens: 10_000 },
    restart: { firstDelayMs: 20, maxQuickDeaths: 3 },
    ...more,
  });
  opened.push(engine);
  await engine.ready;
  return engine;
}

const request = (first: number, maxNewTokens = 3, more: Partial<TextRequest> = {}): TextRequest => ({
  promptIds: [first, 7, 8],
  maxNewTokens,
  ...more,
});

async function collect(events: AsyncIterable<TextEvent>): Promise<string> {
  let text = '';
  for await (const event of events) text += event.text;
  return text;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const start = performance.now(); !condition(); ) {
    if (performance.now() - start > 10_000) throw new Error(`not within 10 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('requests cross to the process and their events come back', async () => {
  const engine = await open();
  expect(engine).toMatchObject({ maxModelLength: 1_000_000, isResponsive: true, state: { kind: 'ready' } });
  const answers = [10, 11, 12, 13, 14, 15].map((first) => collect(engine.generate(request(first))));
  expect(await Promise.all(answers)).toEqual(
    [10, 11, 12, 13, 14, 15].map((first) => `${first}.1 ${first}.2 ${first}.3 `),
  );
  await until(() => engine.stats.generatedTokens === 18, 'the report of 18 tokens');
});

test('who is refused there hears it while iterating; others go on', async () => {
  const engine = await open();
  const other = collect(engine.generate(request(10, 50)));
  await expect(collect(engine.generate(request(REFUSED)))).rejects.toThrow(InputError);
  await expect(collect(engine.generate(request(FAILS_LATER)))).rejects.toThrow(/does not compile/);
  expect(await other).toMatch(/10\.50 $/);
});

test('a slow consumer pauses its own sequence only', async () => {
  const engine = await open();
  const slow = engine.generate(request(10, 5000));
  expect(await collect(engine.generate(request(11, 2000)))).toMatch(/11\.2000 $/);
  await until(() => engine.stats.running === 1, 'the quick one has ended');
  const { generatedTokens } = engine.stats;
  // What the process made before the word to pause reached it comes on top.
  expect(generatedTokens - 2000).toBeGreaterThanOrEqual(LAG_LIMIT);
  expect(generatedTokens - 2000).toBeLessThan(LAG_LIMIT + 1500);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(engine.stats.generatedTokens, 'it stands still').toBe(generatedTokens);
  expect(await collect(slow)).toMatch(/10\.5000 $/);
});

test('while this process takes no messages the engine waits', async () => {
  const engine = await open();
  const answer = engine.generate(request(10, 100_000))[Symbol.asyncIterator]();
  await answer.next();
  const before = engine.stats.generatedTokens;
  // As long as this, tens of thousands of steps would run.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500);
  await until(() => engine.stats.generatedTokens > before + LAG_LIMIT, 'a report');
  await new Promise((resolve) => setTimeout(resolve, 400));
  // What a socket of the system holds, in messages of about 150 bytes.
  expect(engine.stats.generatedTokens - before).toBeLessThan(6000);
  await answer.return?.();
});

test('abort frees the sequence, running or waiting', async () => {
  const engine = await open({ maxSequences: 1, stepMs: 1 });
  const controller = new AbortController();
  const answers = [10, 11].map((first) =>
    collect(engine.generate(request(first, 100_000), controller.signal)),
  );
  await until(() => engine.stats.running === 1 && engine.stats.waiting === 1, 'one runs, one waits');
  controller.abort();
  for (const answer of answers) await expect(answer).rejects.toThrow(/abort/i);
  await until(() => engine.stats.running + engine.stats.waiting === 0, 'nothing runs');
  expect(engine.stats.freeBlocks).toBe(100);
});

test('the queue has a bound, with the time after which to ask again', async () => {
  const engine = await open({ maxSequences: 1, stepMs: 2 }, { queue: { maxRequests: 3, maxTokens: 10_000 } });
  const all = [10, 11, 12].map((first) => engine.generate(request(first, 30)));
  expect(() => engine.generate(request(13))).toThrow(QueueFullError);
  await Promise.all(all.map(collect));
  expect(await collect(engine.generate(request(13)))).toMatch(/13\.3 $/);
});

describe('the process dies', () => {
  test('by kill -9: requests end with an error, the next ones are served by a new process with the same adapters', async () => {
    const engine = await open({ stepMs: 1 });
    await engine.loadAdapter({ name: 'poet', path: 'somewhere' });
    const answers = [10, 11, 12].map((first) => collect(engine.generate(request(first, 100_000))));
    await until(() => engine.stats.running === 3, 'three run');
    const before = engine.stats.generatedTokens;
    const { pid = 0 } = engine;
    process.kill(pid, 'SIGKILL');
    for (const answer of answers) {
      await expect(answer).rejects.toThrow(EngineUnavailableError);
      await expect(answer).rejects.toThrow(/by signal SIGKILL; it is being started again/);
    }
    expect(engine.state.kind).toBe('restarting');
    expect(() => engine.generate(request(10))).toThrow(EngineUnavailableError);
    await expect(engine.loadAdapter({ name: 'other', path: 'x' })).rejects.toThrow(EngineUnavailableError);
    expect(engine.stats).toMatchObject({ running: 0, waiting: 0 });
    await until(() => engine.state.kind === 'ready', 'the engine is back');
    expect(engine.pid).not.toBe(pid);
    expect(isThere(pid), 'no zombie').toBe(false);
    expect(await collect(engine.generate(request(10, 1, { adapter: 'poet' })))).toBe('poet10.1 ');
    expect(engine.stats.generatedTokens, 'counters do not go back').toBeGreaterThanOrEqual(before);
  });

  const deaths: readonly [number, RegExp][] = [
    [ABORTS, /by signal SIGABRT/],
    [FAULT, /exit code 1 \(a fault in a step\)/],
  ];
  test.each(casesOf(deaths, ([first]) => first === FAULT))(
    'by itself (%i): its reason is told',
    async (first, message) => {
      const engine = await open();
      await expect(collect(engine.generate(request(first)))).rejects.toThrow(message);
      await until(() => engine.state.kind === 'ready', 'the engine is back');
    },
  );

  test('quickly, again and again: it is given up', async () => {
    const engine = await open();
    for (let death = 0; death < 3; death++) {
      await until(() => engine.state.kind === 'ready', 'the engine is back');
      await expect(collect(engine.generate(request(FAULT)))).rejects.toThrow(EngineUnavailableError);
    }
    expect(engine.state).toMatchObject({
      kind: 'failed',
      detail: expect.stringMatching(/a fault in a step.*not started/),
    });
    expect(() => engine.generate(request(10))).toThrow(/a fault in a step/);
  });

  test.each([
    ['input', InputError, /model: no such folder/],
    ['fault', Error, /a fault while loading/],
  ] as const)('while loading (%s): no second try', async (refusesToLoad, kind, message) => {
    const opening = open({ refusesToLoad });
    await expect(opening).rejects.toThrow(kind);
    await expect(opening).rejects.toThrow(message);
    await until(() => opened[0]?.pid === undefined, 'the process has gone');
    expect(opened[0]?.state.kind).toBe('failed');
  });
});

// Quickly in tests/serve-process.test.ts, in a step that ends.
longTest(
  'a server that is killed takes its engine with it, even out of a step that does not end',
  async () => {
    const program = `
    import { EngineProcess } from ${JSON.stringify(compiledModule(new URL('./engine-process.js', import.meta.url)).href)};
    const engine = new EngineProcess({
      module: new URL(${JSON.stringify(new URL('./test-engine.js', import.meta.url).href)}),
      setup: { stepMs: 600_000 },
      queue: { maxRequests: 1, maxTokens: 9 },
    });
    await engine.ready;
    engine.generate({ promptIds: [10], maxNewTokens: 2 });
    setTimeout(() => console.log(engine.pid), 100);
  `;
    const server = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const pid = await new Promise<number>((resolve) => {
      server.stdout.once('data', (text) => resolve(Number(text)));
    });
    expect(isThere(pid)).toBe(true);
    server.kill('SIGKILL');
    await until(() => !isThere(pid), 'the engine is gone');
  },
);

test('a process that is stopped is not responsive until it goes on', async () => {
  const engine = await open({}, { stallSeconds: 0.6 });
  const answer = collect(engine.generate(request(10, 100)));
  const { pid = 0 } = engine;
  process.kill(pid, 'SIGSTOP');
  await until(() => !engine.isResponsive, 'the silence is noticed');
  process.kill(pid, 'SIGCONT');
  await until(() => engine.isResponsive, 'it is heard again');
  expect(await answer).toMatch(/10\.100 $/);
});

test('close ends a stopped process too', async () => {
  const engine = await open({}, { stallSeconds: 0.4 });
  const answer = expect(collect(engine.generate(request(10, 1000)))).rejects.toThrow(EngineUnavailableError);
  const { pid = 0 } = engine;
  process.kill(pid, 'SIGSTOP');
  await until(() => !engine.isResponsive, 'the silence is noticed');
  await engine.close();
  await answer;
  expect(isThere(pid)).toBe(false);
});
