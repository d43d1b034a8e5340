/** Every route of the server, over real sockets, with what no client should send: an answer each time, and never a 500. */
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  ApiKeys,
  createHttpServer,
  type HttpService,
  healthRoutes,
  type Route,
  staticRoutes,
  withOpenApi,
} from '../src/serving/http/index.js';
import { metricsRoute, ObservedEngine, ServingMetrics } from '../src/serving/metrics/index.js';
import { openAiRoutes } from '../src/serving/openai/index.js';
import { telechatRoutes } from '../src/serving/telechat/index.js';
import { FakeEngine } from './support/fake-engine.js';
import { eventually, openSocket, parseAnswer, type RawAnswer, sendRaw } from './support/http-client.js';
import { isLongSuite } from './support/long-suite.js';
import { hostileValues, type Operation, readOperations } from './support/openapi-walk.js';
import { servedSpark } from './support/served-spark.js';

const key = 'ordinary-1';
const adminKey = 'the-admin-key';
const envelope = {
  error: {
    message: expect.any(String),
    type: expect.any(String),
    param: expect.toSatisfy((param) => param === null || typeof param === 'string'),
    code: expect.anything(),
  },
};
const dialogEnvelope = {
  seqid: expect.any(String),
  code: expect.stringMatching(/^10\d{3}$/),
  message: expect.any(String),
  flag: '0',
  data: '执行失败',
};

let engine: FakeEngine;
let routes: Route[];
let service: HttpService;
let operations: Operation[];
const warnings: Error[] = [];
const onWarning = (warning: Error): void => void warnings.push(warning);

beforeAll(async () => {
  process.on('warning', onWarning);
  engine = new FakeEngine();
  const model = servedSpark();
  const metrics = new ServingMetrics({ modelName: 'spark', maxModelLength: 128, engine });
  const observed = new ObservedEngine(engine, metrics.observe);
  routes = withOpenApi(
    [
      ...healthRoutes({ engine, version: '0' }),
      metricsRoute(metrics),
      ...openAiRoutes({ model, engine: observed, observeChoices: (count) => metrics.requested(count) }),
      ...telechatRoutes({ model, engine: observed }),
      ...staticRoutes('absent'),
    ],
    { version: '0', hasKeys: true },
  );
  service = createHttpServer(routes, {
    port: 0,
    accessLog: null,
    keys: new ApiKeys({ keys: [key], adminKeys: [adminKey] }),
    observer: metrics,
    headerTimeout: 500,
    bodyTimeout: 500,
  });
  await service.listen();
  operations = readOperations(await (await send('GET', '/openapi.json')).json());
});

afterAll(async () => {
  await service.close();
  process.off('warning', onWarning);
});

/** Faults of ours are logged; there must be none. */
const logged: string[] = [];
beforeEach(() => {
  logged.length = 0;
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    logged.push(String(text));
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

async function send(method: string, path: string, body?: unknown, bearer = key): Promise<Response> {
  return await fetch(`${service.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${bearer}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
}

/** Any answer is right that the document names, has the envelope where it is an error, and is whole. */
async function check(response: Response, operation: Operation, what: string): Promise<void> {
  const text = await response.text();
  const { status } = response;
  if (![...operation.statuses, 422].includes(status) || status === 500)
    throw new Error(`${operation.method} ${operation.path} ${what}: ${status} ${text.slice(0, 300)}`);
  if (status >= 400)
    expect(JSON.parse(text), what).toEqual(
      operation.path.startsWith('/telechat/') ? dialogEnvelope : envelope,
    );
  if (response.headers.get('content-type')?.startsWith('text/event-stream') === true)
    expect(text.endsWith('data: [DONE]\n\n'), what).toBe(true);
}

async function inParallel<Item>(items: readonly Item[], run: (item: Item) => Promise<void>): Promise<void> {
  const queue = [...items].reverse();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let item = queue.pop(); item !== undefined; item = queue.pop()) await run(item);
    }),
  );
}

async function nothingIsLeft(): Promise<void> {
  await eventually('no request under way', () => service.running === 0 && engine.running === 0);
  expect(logged.filter((line) => line.includes('    at '))).toEqual([]);
  expect(warnings).toEqual([]);
}

async function raw(text: string | Buffer, milliseconds?: number): Promise<RawAnswer> {
  return parseAnswer(await sendRaw(service.address.port, text, milliseconds));
}

function operation(path: string): Operation {
  const found = operations.find((candidate) => candidate.path === path);
  if (found === undefined) throw new Error(`no ${path}`);
  return found;
}

describe('the document', () => {
  it('has every route but the files of the page', () => {
    const documented = operations.map(({ method, path }) => `${method} ${path}`);
    const all = routes
      .filter(({ name }) => name !== 'static')
      .map(({ method, path }) => `${method} ${path.replace(/[:*]\w+/g, 'x')}`);
    expect(new Set(documented)).toEqual(new Set(all));
    expect(documented).toContain('POST /v1/chat/completions');
  });

  it('says truly who needs a key, and its examples are answered', async () => {
    for (const { method, path, example, wantsKey, wantsAdmin } of operations) {
      const what = `${method} ${path}`;
      const open = await fetch(`${service.url}${path}`, { method });
      await open.arrayBuffer();
      if (wantsKey) expect(open.status, what).toBe(401);
      else expect([200, 400], what).toContain(open.status);
      if (wantsAdmin) expect((await send(method, path, example)).status, what).toBe(403);
      else if (!path.endsWith('/x')) expect((await send(method, path, example)).status, what).toBe(200);
    }
    await nothingIsLeft();
  });
});

describe('bodies', () => {
  it('each field with each hostile value', async () => {
    const cases = operations.flatMap((target) =>
      target.fields.flatMap((field) => hostileValues.map((value) => ({ target, field, value }))),
    );
    expect(cases.length).toBeGreaterThan(2000);
    // The long tests try all of them; each run tries others.
    const first = Math.floor(Math.random() * 14);
    const chosen = cases.filter((_, index) => isLongSuite || index % 14 === first);
    await inParallel(chosen, async ({ target, field, value }) => {
      const body = { ...target.example, [field]: value };
      const response = await send(target.method, target.path, body, target.wantsAdmin ? adminKey : key);
      await check(response, target, `${field}=${JSON.stringify(value)?.slice(0, 60)}`);
    });
    await nothingIsLeft();
  });

  it('each field left out, and bodies that are no object', async () => {
    for (const target of operations.filter(({ example }) => example !== undefined)) {
      const bearer = target.wantsAdmin ? adminKey : key;
      for (const field of Object.keys(target.example ?? {})) {
        const { [field]: _, ...rest } = target.example ?? {};
        await check(await send(target.method, target.path, rest, bearer), target, `without ${field}`);
      }
      for (const body of [
        'null',
        '[]',
        '1',
        '"x"',
        'true',
        '{}',
        '',
        ' ',
        '{"a"',
        '\ufeff{}',
        'NaN',
        "{'a':1}",
      ])
        await check(await send(target.method, target.path, body, bearer), target, body);
    }
    await nothingIsLeft();
  });

  it('any JSON in place of any part of an example', async () => {
    const targets = operations.filter(({ example }) => example !== undefined);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...targets),
        fc.jsonValue({ maxDepth: 4, noUnicodeString: false }),
        fc.infiniteStream(fc.nat()),
        async (target, value, numbers) => {
          const body = replaceSomewhere(target.example, value, numbers);
          await check(
            await send(target.method, target.path, JSON.stringify(body), target.wantsAdmin ? adminKey : key),
            target,
            JSON.stringify(body),
          );
        },
      ),
      { numRuns: 200 },
    );
    await nothingIsLeft();
  });

  it('deep JSON, bytes that are no UTF-8, bodies too large', async () => {
    const deep = [
      '['.repeat(1_000_000),
      '{"messages":'.repeat(100_000),
      `{"a":${'['.repeat(64)}${']'.repeat(64)}}`,
    ];
    const bytes = [
      Buffer.from([0x22, 0xc3, 0x28, 0x22]),
      Buffer.alloc(1000, 0xff),
      Buffer.from('{"a":"\xed\xa0\x80"}', 'latin1'),
    ];
    for (const target of operations.filter(
      ({ example, wantsAdmin }) => example !== undefined && !wantsAdmin,
    )) {
      for (const body of deep) await check(await send('POST', target.path, body), target, 'deep');
      for (const body of bytes) {
        const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
        const response = await fetch(`${service.url}${target.path}`, { method: 'POST', headers, body });
        expect(response.status).toBe(400);
        await check(response, target, 'no UTF-8');
      }
      const large = await sendRaw(
        service.address.port,
        Buffer.concat([
          Buffer.from(
            head('POST', target.path, 'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n'),
          ),
          Buffer.from(`500000\r\n${' '.repeat(0x500000)}\r\n0\r\n\r\n`),
        ]),
      );
      expect(parseAnswer(large).status).toBe(413);
    }
    await nothingIsLeft();
  });

  it('bodies that never end', async () => {
    await inParallel(['{', '{"messages":[', ''], async (body) => {
      const answer = await raw(
        `${head('POST', '/v1/chat/completions', 'Content-Type: application/json\r\nContent-Length: 100\r\n')}${body}`,
      );
      expect(answer.status).toBe(408);
      expect(JSON.parse(answer.body)).toEqual(envelope);
    });
    await nothingIsLeft();
  });
});

describe('heads', () => {
  it('path tricks', async () => {
    const tricks = [
      '/%2e%2e/%2e%2e/etc/passwd',
      '/../../etc/passwd',
      '//etc/passwd',
      '/v1//models',
      '/v1/models/..%2f..%2fetc%2fpasswd',
      '/v1/models/%00',
      '/v1/models/a%0d%0aX-Evil:%201',
      '/v1/models/%ff%fe',
      '/v1/models/%',
      '/v1/models/%zz',
      '/v1/models/%F0%9F%98%80',
      '/V1/MODELS',
      '/v1/models;x=1',
      '/v1/models/',
      `/v1/models/${'x'.repeat(8000)}`,
      `/${'a/'.repeat(5000)}`,
      '/?%',
      '/v1/models?%ff=%00',
      '/__proto__',
      '/constructor/prototype',
      '*',
      'etc/passwd',
      'http://evil.example/v1/models/x',
      'file:///etc/passwd',
      '\\..\\windows',
    ];
    for (const target of tricks)
      for (const method of ['GET', 'POST', 'OPTIONS', 'HEAD', 'DELETE', 'PATCH', 'TRACE']) {
        const answer = await raw(head(method, target, 'Connection: close\r\n'), 2000);
        expect([200, 204, 400, 401, 404, 405, 415, 431], `${method} ${target}`).toContain(answer.status);
        expect([...answer.headers.keys()]).not.toContain('x-evil');
        if (answer.status >= 400 && method !== 'HEAD') expect(JSON.parse(answer.body)).toEqual(envelope);
        expect(answer.body).not.toContain('root:');
      }
    await nothingIsLeft();
  });

  it('any path and any header bytes', async () => {
    const piece = fc.constantFrom(
      '/',
      'v1',
      'models',
      '%',
      '%2e',
      '%00',
      '?',
      '#',
      '..',
      ':',
      '@',
      '星',
      '\\',
      ';',
      '&=',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 12 }),
        fc.array(fc.tuple(fc.string({ maxLength: 8 }), fc.string({ maxLength: 20 })), { maxLength: 3 }),
        async (pieces, headers) => {
          const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
          const answer = await raw(head('GET', `/${pieces.join('')}`, `${lines}Connection: close\r\n`), 2000);
          expect([200, 304, 400, 401, 404, 405, 413]).toContain(answer.status);
        },
      ),
      { numRuns: 200 },
    );
    await nothingIsLeft();
  });

  it('floods of headers, long ones, and none', async () => {
    const flood = Array.from({ length: 300 }, (_, index) => `X-${index}: 1\r\n`);
    expect((await raw(head('GET', '/health', `${flood.join('')}Connection: close\r\n`))).status).toBe(431);
    expect((await raw(head('GET', '/health', `X: ${'y'.repeat(100_000)}\r\n`))).status).toBe(431);
    expect((await raw('GET /health HTTP/1.1\r\n\r\n', 500)).status).toBe(400);
    expect((await raw('GET /health HTTP/1.0\r\n\r\n')).status).toBe(200);
    expect((await raw(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]))).status).toBe(400);
    await nothingIsLeft();
  });

  it('heads that come byte by byte, or not at all, are ended', async () => {
    const slow = await openSocket(service.address.port);
    let isClosed = false;
    slow
      .on('error', () => undefined)
      .on('close', () => {
        isClosed = true;
      });
    slow.resume();
    const text = head('GET', '/health', '');
    for (let index = 0; index < text.length && !isClosed; index++) {
      slow.write(text[index] ?? '');
      await sleep(20);
    }
    expect(isClosed).toBe(true);
    await nothingIsLeft();
  });
});

describe('clients that leave', () => {
  it('in every phase: nothing is left running, no connection, no listener', async () => {
    const chat = operation('/v1/chat/completions');
    const body = JSON.stringify({ ...chat.example, stream: true });
    const request = `${head('POST', chat.path, `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`)}${body}`;
    for (let cut = 1; cut <= request.length; cut += 7) {
      const socket = await openSocket(service.address.port);
      socket.on('error', () => undefined);
      socket.write(request.slice(0, cut));
      await sleep(1);
      if (cut % 2 === 0) socket.resetAndDestroy();
      else socket.destroy();
    }
    await nothingIsLeft();
  });

  it('40 streams, left in the middle', async () => {
    const slow = new FakeEngine({ tokenDelay: 5 });
    const model = servedSpark();
    const other = createHttpServer(openAiRoutes({ model, engine: slow }), { port: 0, accessLog: null });
    await other.listen();
    const chat = operation('/v1/chat/completions');
    const body = JSON.stringify({ ...chat.example, stream: true, n: 4 });
    await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const controller = new AbortController();
        const response = await fetch(`${other.url}${chat.path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
          signal: controller.signal,
        });
        if (index % 2 === 0) await response.body?.getReader().read();
        controller.abort();
      }),
    );
    await eventually('all sequences freed', () => slow.running === 0 && other.running === 0);
    await eventually('no connection', async () => (await other.connections()) === 0);
    expect(slow.requests.length).toBeGreaterThan(40);
    await other.close();
    await nothingIsLeft();
  });
});

function head(method: string, target: string, headers: string): string {
  return `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${key}\r\n${headers}\r\n`;
}

/** One place of a JSON value, chosen by numbers, holds another. */
function replaceSomewhere(value: unknown, replacement: unknown, numbers: fc.Stream<number>): unknown {
  const number = numbers.next().value ?? 0;
  if (typeof value !== 'object' || value === null || number % 4 === 0) return replacement;
  const entries = Object.entries(value);
  const chosen = number % Math.max(entries.length, 1);
  const replaced = entries.map(([name, child], index) =>
    index === chosen
      ? ([name, replaceSomewhere(child, replacement, numbers)] as const)
      : ([name, child] as const),
  );
  return Array.isArray(value) ? replaced.map(([, child]) => child) : Object.fromEntries(replaced);
}
