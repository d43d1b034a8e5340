import { afterEach, describe, expect, it } from 'vitest';
import { FakeEngine, type FakeEngineOptions } from '../../../tests/support/fake-engine.js';
import { eventually } from '../../../tests/support/http-client.js';
import { servedSpark } from '../../../tests/support/served-spark.js';
import { EngineUnavailableError } from '../engine-service.js';
import { createHttpServer, type HttpService } from '../http/index.js';
import { telechatRoutes } from './dialog-routes.js';

const model = servedSpark();
const json = '/telechat/gptDialog/v4';
const stream = '/telechat/gptDialog/v2';

/** As the published service's own test sends it. */
const published = {
  dialog: [
    { role: 'user', content: '你好' },
    { role: 'bot', content: '我是telechat。' },
    { role: 'user', content: '你是谁训练的' },
  ],
  do_sample: true,
  top_p: 0.1,
  temperature: 0.1,
  repetition_penalty: 1.03,
};

let service: HttpService | undefined;
let engine: FakeEngine;
afterEach(async () => service?.close());

async function post(path: string, body: unknown): Promise<Response> {
  return await fetch(`${service?.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-request-id': 'seq-1' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

async function start(options: FakeEngineOptions = {}): Promise<void> {
  await service?.close();
  engine = new FakeEngine({ maxModelLength: 4096, ...options });
  service = createHttpServer(telechatRoutes({ model, engine }), { port: 0, accessLog: null });
  await service.listen();
}

describe('the dialog service', () => {
  it('answers in JSON', async () => {
    await start();
    const response = await post(json, published);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ role: 'bot', content: 'Hello, world!' });
    const [request] = engine.requests;
    expect(request?.sampling).toEqual({ temperature: 0.1, topK: 20, topP: 0.1, repetitionPenalty: 1.03 });
    expect(request?.promptIds).toEqual(
      model.renderChat([
        { role: 'user', content: '你好' },
        { role: 'assistant', content: '我是telechat。' },
        { role: 'user', content: '你是谁训练的' },
      ]),
    );
    expect(request?.maxNewTokens).toBe(4096 - (request?.promptIds.length ?? 0));
    expect(request?.stopTokenIds).toEqual(model.stopTokenIds);
  });

  it('answers as a stream of text, character by character', async () => {
    const tokens = ['你', '', '好', '！'].map((text, id) => ({ id, text }));
    await start({ answer: () => ({ tokens }), tokenDelay: 2 });
    const response = await post(stream, published);
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    const pieces: string[] = [];
    for await (const piece of response.body ?? [])
      pieces.push(new TextDecoder('utf-8', { fatal: true }).decode(piece));
    expect(pieces.join('')).toBe('你好！');
    expect(pieces.length).toBeGreaterThan(1);
  });

  it('greedy without do_sample; null is the default; max_length and max_new_tokens bound the answer', async () => {
    await start();
    await post(json, { ...published, do_sample: false, top_k: null, max_new_tokens: 3 });
    await post(json, { ...published, max_length: 100 });
    const [first, second] = engine.requests;
    expect(first?.sampling).toEqual({ repetitionPenalty: 1.03 });
    expect(first?.maxNewTokens).toBe(3);
    expect((second?.promptIds.length ?? 0) + (second?.maxNewTokens ?? 0)).toBe(100);
  });

  it('leaves out the oldest turns of a long dialog', async () => {
    await start();
    const round = [
      { role: 'user', content: '问题'.repeat(50) },
      { role: 'bot', content: '回答'.repeat(50) },
    ];
    const question = { role: 'user', content: '最后' };
    const dialog = [...Array.from({ length: 100 }, () => round).flat(), question];
    expect((await (await post(json, { dialog, max_length: 400 })).json()) as unknown).toHaveProperty('role');
    const [request] = engine.requests;
    expect(request?.promptIds.length).toBeLessThanOrEqual(200);
    const end = model.renderChat([{ role: 'user', content: '最后' }]).slice(-4);
    expect(request?.promptIds.slice(-4)).toEqual(end);
  });

  const user = { role: 'user', content: 'x' };
  const bot = { role: 'bot', content: 'x' };
  const faults: readonly (readonly [body: unknown, code: string])[] = [
    [{}, '10301'],
    [{ dialog: null }, '10301'],
    [[], '10301'],
    ['null', '10301'],
    ['"text"', '10301'],
    [{ dialog: [] }, '10904'],
    [{ dialog: 'x' }, '10904'],
    [{ dialog: {} }, '10904'],
    [{ dialog: [null] }, '10904'],
    [{ dialog: [bot] }, '10904'],
    [{ dialog: [user, user] }, '10904'],
    [{ dialog: [user, bot] }, '10904'],
    [{ dialog: [{ role: 'user' }] }, '10904'],
    [{ dialog: [{ role: 'user', content: '' }] }, '10904'],
    [{ dialog: [{ role: 'user', content: 1 }] }, '10904'],
    [{ dialog: [{ role: 'assistant', content: 'x' }] }, '10904'],
    [{ dialog: [{ role: 'user', content: 'x'.repeat(3_000_000) }] }, '10904'],
    ...[1, 'true', []].map((do_sample) => [{ dialog: [user], do_sample }, '10305'] as const),
    ...[0, -1, 4097, 1.5, '10', true].map((max_length) => [{ dialog: [user], max_length }, '10305'] as const),
    ...[0, 4097].map((max_new_tokens) => [{ dialog: [user], max_new_tokens }, '10305'] as const),
    ...[0, 100, 1.5, '5'].map((top_k) => [{ dialog: [user], top_k }, '10305'] as const),
    ...[0, 1, -0.1, 2, '0.5'].map((top_p) => [{ dialog: [user], top_p }, '10305'] as const),
    ...[0, 1, 2, {}].map((temperature) => [{ dialog: [user], temperature }, '10305'] as const),
    ...[1, 0.5, 100, []].map(
      (repetition_penalty) => [{ dialog: [user], repetition_penalty }, '10305'] as const,
    ),
    [{ dialog: [user], max_length: 3 }, '10904'],
  ];
  it.each(faults)('case %#: the published code in the envelope', async (body, code) => {
    await start();
    for (const path of [json, stream]) {
      const response = await post(path, body);
      expect(response.status).toBe(200);
      const answer: unknown = await response.json();
      expect(answer).toEqual({
        seqid: 'seq-1',
        code,
        message: expect.any(String),
        flag: '0',
        data: '执行失败',
      });
    }
  });

  it.each([
    ['{', {}, 400],
    [published, { maxRequests: 0 }, 429],
  ] as const)('what has no published code keeps its status: %#', async (body, options, status) => {
    await start(options);
    const response = await post(json, body);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ seqid: 'seq-1', code: '10903', flag: '0' });
  });

  it('an engine that dies: 503 before the first text, an answer cut off after it', async () => {
    await start();
    const error = new EngineUnavailableError('died');
    engine.failNext = { error, afterEvents: 2 };
    const response = await post(json, published);
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5']);
    engine.failNext = { error, afterEvents: 2 };
    const cut = await post(stream, published);
    expect(cut.status).toBe(200);
    await expect(cut.text()).rejects.toThrow();
  });

  it('a client that goes away frees its sequence', async () => {
    await start({ tokenDelay: 50 });
    for (const path of [json, stream]) {
      const controller = new AbortController();
      const running = fetch(`${service?.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(published),
        signal: controller.signal,
      }).then((response) => response.text());
      await eventually('running', () => engine.running === 1);
      controller.abort();
      await expect(running).rejects.toThrow();
      await eventually('freed', () => engine.running === 0 && service?.running === 0);
    }
    expect(engine.cancelled).toBe(2);
  });
});
