import { describe, expect, test } from 'vitest';
import { LocalEngineService } from '../../../tests/support/local-engine-service.js';
import { InputError } from '../../errors/index.js';
import type { TextEvent, TextRequest } from '../../generation/index.js';
import { EngineUnavailableError, QueueFullError } from '../engine-service.js';
import { LAG_LIMIT } from './event-queue.js';
import { FAILS_LATER, FAULT, REFUSED, startEngine, type TestSetup, VOCABULARY } from './test-engine.js';

const request = (first: number, maxNewTokens = 3, more: Partial<TextRequest> = {}): TextRequest => ({
  promptIds: [first, 7, 8],
  maxNewTokens,
  ...more,
});

const service = (setup: TestSetup = {}, maxRequests = 100): LocalEngineService =>
  new LocalEngineService(startEngine(setup), { queue: { maxRequests, maxTokens: 1000 } });

async function collect(events: AsyncIterable<TextEvent>): Promise<string> {
  let text = '';
  for await (const event of events) text += event.text;
  return text;
}

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

test('requests run side by side and end by themselves', async () => {
  const engine = service();
  const answers = [10, 11, 12, 13, 14, 15].map((first) => collect(engine.generate(request(first))));
  expect(await Promise.all(answers)).toEqual(
    [10, 11, 12, 13, 14, 15].map((first) => `${first}.1 ${first}.2 ${first}.3 `),
  );
  expect(engine.stats).toMatchObject({ running: 0, waiting: 0, freeBlocks: 100, generatedTokens: 18 });
});

test('a request runs before anybody asks for its events, and pauses when nobody takes them', async () => {
  const engine = service();
  const slow = engine.generate(request(10, 1000));
  const quick = await collect(engine.generate(request(11, 500)));
  expect(quick.split(' ')).toHaveLength(501);
  await turns(50);
  expect(engine.stats.generatedTokens, 'the slow one is behind').toBe(500 + LAG_LIMIT);
  expect((await collect(slow)).split(' '), 'nothing is dropped').toHaveLength(1001);
});

describe('a request ends', () => {
  test('when its consumer leaves', async () => {
    const engine = service();
    for await (const { text } of engine.generate(request(10, 1000))) if (text === '10.5 ') break;
    expect(engine.stats.running).toBe(0);
  });

  test('when its signal is aborted, waiting or not, and nobody listens to the signal any more', async () => {
    const engine = service({ maxSequences: 1 });
    const controller = new AbortController();
    const running = collect(engine.generate(request(10, 1000), controller.signal));
    const waiting = collect(engine.generate(request(11, 1000), controller.signal));
    await turns(5);
    expect(engine.stats).toMatchObject({ running: 1, waiting: 1 });
    controller.abort();
    expect(engine.stats).toMatchObject({ running: 0, waiting: 0 });
    await expect(running).rejects.toThrow(/abort/i);
    await expect(waiting).rejects.toThrow(/abort/i);
    expect(() => engine.generate(request(12), controller.signal)).toThrow(/abort/i);
  });

  test('when the engine finds out late that it cannot be served', async () => {
    const engine = service();
    await expect(collect(engine.generate(request(FAILS_LATER)))).rejects.toThrow(InputError);
    expect(await collect(engine.generate(request(10)))).toBe('10.1 10.2 10.3 ');
  });
});

test.each<[TextRequest, RegExp]>([
  [request(REFUSED), /this one is refused/],
  [{ promptIds: [], maxNewTokens: 1 }, /prompt is empty/],
  [request(VOCABULARY), /token 1000 is outside the vocabulary of 0 to 999/],
  [request(10, 1_000_000), /3 prompt tokens and 1000000 new ones are more than the 1000000/],
  [request(10, 2.5), /maxNewTokens is 2.5/],
  [request(10, 3, { adapter: 'poet' }), /no adapter "poet"; loaded: none/],
])('%# is refused at once', (wrong, message) => {
  const engine = service();
  expect(() => engine.generate(wrong)).toThrow(InputError);
  expect(() => engine.generate(wrong)).toThrow(message);
});

test('the queue has a bound in requests and one in tokens', () => {
  const byRequests = service({ maxSequences: 1 }, 2);
  for (const first of [10, 11, 12]) byRequests.generate(request(first));
  expect(() => byRequests.generate(request(13))).toThrow(QueueFullError);
  const byTokens = service({ maxSequences: 1 });
  const long = { promptIds: Array.from({ length: 700 }, () => 9), maxNewTokens: 1 };
  byTokens.generate(request(10));
  byTokens.generate(long);
  expect(() => byTokens.generate(long)).toThrow(/700 prompt tokens; with 700 more there would be over 1000/);
});

test('a fault in a step ends everything with its error', async () => {
  const engine = service();
  const other = collect(engine.generate(request(10, 1000)));
  await expect(collect(engine.generate(request(FAULT)))).rejects.toThrow('a fault in a step');
  await expect(other).rejects.toThrow('a fault in a step');
  expect(engine.state).toEqual({ kind: 'failed', detail: 'The engine failed: a fault in a step' });
  expect(() => engine.generate(request(10))).toThrow(EngineUnavailableError);
});

test('adapters: loaded, used, unloaded when nobody uses them any more', async () => {
  const engine = service();
  await engine.loadAdapter({ name: 'poet', path: 'somewhere' });
  await expect(engine.loadAdapter({ name: 'poet', path: 'elsewhere' })).rejects.toThrow(/loaded already/);
  await expect(engine.loadAdapter({ name: 'other', path: 'nowhere' })).rejects.toThrow(/no such adapter/);
  const answer = collect(engine.generate(request(10, 40, { adapter: 'poet' })));
  let isGone = false;
  const unloaded = engine.unloadAdapter('poet').then(() => {
    isGone = true;
  });
  expect(() => engine.generate(request(10, 3, { adapter: 'poet' }))).toThrow(InputError);
  await turns(10);
  expect(isGone).toBe(false);
  expect(await answer).toMatch(/^poet10.1 /);
  await unloaded;
  expect(engine.adapters).toEqual([]);
  await expect(engine.unloadAdapter('poet')).rejects.toThrow(/No adapter "poet"/);
});

test('close ends what is under way', async () => {
  const engine = service();
  const answer = collect(engine.generate(request(10, 1000)));
  await engine.close();
  await expect(answer).rejects.toThrow(EngineUnavailableError);
});
