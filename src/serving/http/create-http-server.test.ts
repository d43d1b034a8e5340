import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { eventually, openSocket, parseAnswer, sendRaw } from '../../../tests/support/http-client.js';
import { InputError } from '../../errors/index.js';
import { EngineUnavailableError, QueueFullError } from '../engine-service.js';
import { ApiKeys } from './api-keys.js';
import { createHttpServer, type HttpService } from './create-http-server.js';
import { badRequest } from './http-error.js';
import type { HttpServerOptions } from './http-options.js';
import type { Route, RouteRequest } from './route.js';

let service: HttpService | undefined;
afterEach(async () => {
  await service?.close();
  service = undefined;
  vi.restoreAllMocks();
});

async function start(routes: readonly Route[], options: HttpServerOptions = {}): Promise<HttpService> {
  service = createHttpServer(routes, { port: 0, accessLog: null, ...options });
  await service.listen();
  return service;
}

const echo: Route = {
  method: 'POST',
  path: '/echo',
  access: 'key',
  body: 'json',
  handler: ({ body, requestId }, reply) => reply.json(200, { body, requestId }),
};

const hello: Route = {
  method: 'GET',
  path: '/hello/:name',
  access: 'key',
  body: 'none',
  handler: ({ params, query }, reply) => reply.json(200, { ...params, query: query.get('q') }),
};

const open: Route = {
  ...hello,
  path: '/open',
  access: 'open',
  handler: (_, reply) => reply.text(200, 'open'),
};
const admin: Route = {
  ...hello,
  path: '/admin',
  access: 'admin',
  handler: (_, reply) => reply.text(200, 'admin'),
};

function throwing(error: unknown): Route {
  return {
    ...hello,
    path: '/throw',
    handler: () => {
      throw error;
    },
  };
}

function post(url: string, body: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });
}

async function errorOf(response: Response): Promise<Record<string, unknown>> {
  const value: unknown = await response.json();
  expect(value).toEqual({
    error: {
      message: expect.any(String),
      type: expect.any(String),
      param: expect.toSatisfy((param) => param === null || typeof param === 'string'),
      code: expect.anything(),
    },
  });
  return (value as { error: Record<string, unknown> }).error;
}

describe('routes', () => {
  it('decodes names and reads the query', async () => {
    const { url } = await start([hello]);
    const response = await fetch(`${url}/hello/a%2Fb%20c?q=1`);
    expect(await response.json()).toEqual({ name: 'a/b c', query: '1' });
  });

  it('says 404, 405 with Allow, and answers HEAD', async () => {
    const { url } = await start([hello, echo]);
    expect((await errorOf(await fetch(`${url}/nowhere`))).type).toBe('NotFoundError');
    expect((await fetch(`${url}/nowhere`)).status).toBe(404);
    const wrong = await fetch(`${url}/echo`);
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
    const head = await fetch(`${url}/hello/x`, { method: 'HEAD' });
    expect([head.status, await head.text(), Number(head.headers.get('content-length')) > 0]).toEqual([
      200,
      '',
      true,
    ]);
  });

  it.each([
    [badRequest('no', 'x', 'y'), 400, { param: 'x', code: 'y', type: 'BadRequestError' }],
    [new InputError('wrong'), 400, { message: 'wrong', code: 400 }],
    [new EngineUnavailableError('loading', 7), 503, { type: 'ServiceUnavailableError' }],
    [new QueueFullError('full', 3), 429, { type: 'RateLimitError' }],
  ])('turns %s into %i', async (error, status, expected) => {
    const { url } = await start([throwing(error)]);
    const response = await fetch(`${url}/throw`);
    expect(response.status).toBe(status);
    expect(await errorOf(response)).toMatchObject(expected);
    if (status === 503) expect(response.headers.get('retry-after')).toBe('7');
    if (status === 429) expect(response.headers.get('retry-after')).toBe('3');
  });

  it('tells nothing of a fault of ours but logs it', async () => {
    const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const { url } = await start([throwing(new TypeError('secret insides'))]);
    const response = await fetch(`${url}/throw`);
    expect(response.status).toBe(500);
    expect((await errorOf(response)).message).not.toContain('secret');
    expect(String(written.mock.calls[0]?.[0])).toContain('secret insides');
  });

  it('a route that does not answer is a 500, not a request that hangs', async () => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const { url } = await start([{ ...hello, path: '/x', handler: () => undefined }]);
    expect((await fetch(`${url}/x`)).status).toBe(500);
  });

  it('gives the request id back, or one of its own', async () => {
    const { url } = await start([echo]);
    const given = await post(`${url}/echo`, '{}', { 'x-request-id': 'mine-1' });
    expect(given.headers.get('x-request-id')).toBe('mine-1');
    expect(await given.json()).toMatchObject({ requestId: 'mine-1' });
    const own = await post(`${url}/echo`, '{}', { 'x-request-id': 'not one "of ours' });
    expect(own.headers.get('x-request-id')).toMatch(/^req-[0-9a-f-]{36}$/);
  });
});

describe('bodies', () => {
  it.each([
    ['text/plain', 415],
    ['application/x-www-form-urlencoded', 415],
    ['application/json; charset=latin1', 415],
    ['application/json; charset=UTF-8', 200],
    ['application/problem+json', 200],
  ])('content type %s: %i', async (type, status) => {
    const { url } = await start([echo]);
    expect((await post(`${url}/echo`, '{}', { 'content-type': type })).status).toBe(status);
  });

  it.each([
    ['', 400],
    ['{', 400],
    ['[1', 400],
    ['{"a":1}x', 400],
    ['null', 200],
    [`${'['.repeat(64)}${']'.repeat(64)}`, 200],
    [`${'['.repeat(65)}${']'.repeat(65)}`, 400],
    ['['.repeat(100_000), 400],
    ['{"a":'.repeat(100_000), 400],
    [`"${'['.repeat(100_000)}"`, 200],
    [`"\\"${'{'.repeat(1000)}"`, 200],
  ])('JSON, case %#', async (text, status) => {
    const { url } = await start([echo]);
    const response = await post(`${url}/echo`, text);
    expect(response.status).toBe(status);
    if (status === 400) await errorOf(response);
  });

  it('refuses bytes that are no UTF-8, and compressed bodies', async () => {
    const { url } = await start([echo]);
    const headers = { 'content-type': 'application/json' };
    const body = Buffer.from([0x22, 0xff, 0x22]);
    const response = await fetch(`${url}/echo`, { method: 'POST', body, headers });
    expect([response.status, (await errorOf(response)).message]).toEqual([
      400,
      'The body is not valid UTF-8.',
    ]);
    expect((await post(`${url}/echo`, '{}', { 'content-encoding': 'gzip' })).status).toBe(415);
  });

  it('413 by Content-Length before the body is sent', async () => {
    const { address } = await start([echo], { maxBodyBytes: 1000 });
    const answer = parseAnswer(
      await sendRaw(
        address.port,
        'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1001\r\n\r\n',
      ),
    );
    expect([answer.status, answer.headers.get('connection')]).toEqual([413, 'close']);
    expect(JSON.parse(answer.body)).toHaveProperty('error.type', 'RequestTooLargeError');
  });

  it('413 while a body without a length is read', async () => {
    const { address } = await start([echo], { maxBodyBytes: 1000 });
    const socket = await openSocket(address.port);
    let text = '';
    socket.on('data', (chunk) => {
      text += String(chunk);
    });
    socket.write(
      'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    for (let count = 0; count < 3; count++) socket.write(`1f4\r\n${'x'.repeat(500)}\r\n`);
    await eventually('an answer', () => text.includes('\r\n\r\n'));
    expect(parseAnswer(text).status).toBe(413);
    socket.destroy();
  });

  it('takes a large body that is allowed, and answers Expect: 100-continue', async () => {
    const { url, address } = await start([echo]);
    const large = JSON.stringify('x'.repeat(4_000_000));
    expect((await post(`${url}/echo`, large)).status).toBe(200);
    const socket = await openSocket(address.port);
    let text = '';
    socket.on('data', (chunk) => {
      text += String(chunk);
    });
    socket.write(
      'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n',
    );
    await eventually('100 Continue', () => text.startsWith('HTTP/1.1 100 Continue'));
    socket.write('{}');
    await eventually('the answer', () => text.includes('HTTP/1.1 200 OK'));
    socket.destroy();
  });

  it('408 for a body that does not come, and the connection ends', async () => {
    const { address } = await start([echo], { bodyTimeout: 50 });
    const answer = parseAnswer(
      await sendRaw(
        address.port,
        'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"a"',
      ),
    );
    expect(answer.status).toBe(408);
    expect(JSON.parse(answer.body)).toHaveProperty('error.type', 'RequestTimeoutError');
  });

  it('a connection stays open after an error if its body was read, and only then', async () => {
    const { address } = await start([echo]);
    const request = (body: string): string =>
      `POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const text = await sendRaw(address.port, request('{') + request('{}'), 1500);
    expect(text.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 400', 'HTTP/1.1 200']);
    const unread = request('{}').replace('/echo', '/nowhere').replace('Length: 2', 'Length: 3');
    expect(parseAnswer(await sendRaw(address.port, unread, 300)).headers.get('connection')).toBe('close');
  });

  it('a body where none is wanted is refused', async () => {
    const { address } = await start([hello]);
    const answer = parseAnswer(
      await sendRaw(
        address.port,
        'GET /hello/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}',
      ),
    );
    expect(answer.status).toBe(400);
  });
});

describe('heads', () => {
  it('408 for a head that does not come, also after a first byte', async () => {
    const { address } = await start([hello], { headerTimeout: 100 });
    const answer = parseAnswer(await sendRaw(address.port, 'GET /hello/x HTTP/1.1\r\nHost: loc'));
    expect(answer.status).toBe(408);
    expect(JSON.parse(answer.body)).toHaveProperty('error.code', 408);
    const started = performance.now();
    await sendRaw(address.port, '', 4000);
    expect(performance.now() - started).toBeLessThan(3000);
  });

  it('431 for too many headers and for too long ones', async () => {
    const { address } = await start([hello]);
    const many = Array.from({ length: 257 }, (_, index) => `X-${index}: 1\r\n`).join('');
    for (const headers of [many, `X: ${'y'.repeat(40_000)}\r\n`]) {
      const answer = parseAnswer(
        await sendRaw(
          address.port,
          `GET /hello/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n`,
        ),
      );
      expect(answer.status).toBe(431);
      expect(JSON.parse(answer.body)).toHaveProperty('error.type', 'RequestHeaderFieldsTooLargeError');
    }
  });

  it.each([
    'nonsense\r\n\r\n',
    'GET /hello/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    'GET /hello/x HTTP/1.1\r\n\r\n',
    'GET hello HTTP/1.1\r\nHost: localhost\r\n\r\n',
  ])('400 with the envelope for %j', async (bytes) => {
    const { address } = await start([hello, echo]);
    const answer = parseAnswer(await sendRaw(address.port, bytes, 500));
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body)).toHaveProperty('error.message');
  });
});

describe('keys', () => {
  const keys = new ApiKeys({ keys: ['ordinary-1', 'team:ordinary-2'], adminKeys: ['the-admin-key'] });

  it('denies by default, whatever the path', async () => {
    const { url } = await start([hello, echo, admin, open], { keys });
    for (const path of ['/hello/x', '/echo', '/admin', '/nowhere', '/%2e%2e/hello', '//hello/x']) {
      const response = await fetch(`${url}${path}`);
      expect([path, response.status]).toEqual([path, 401]);
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      await errorOf(response);
    }
    expect((await fetch(`${url}/open`)).status).toBe(200);
  });

  it.each([
    ['Bearer ordinary-1', 200, 403],
    ['bearer ordinary-2', 200, 403],
    ['Bearer the-admin-key', 200, 200],
    ['Bearer ordinary-3', 401, 401],
    ['Bearer ', 401, 401],
    ['Basic ordinary-1', 401, 401],
    ['ordinary-1', 401, 401],
  ])('%s: %i, and %i on an admin route', async (authorization, ordinary, special) => {
    const { url } = await start([hello, admin], { keys });
    expect((await fetch(`${url}/hello/x`, { headers: { authorization } })).status).toBe(ordinary);
    expect((await fetch(`${url}/admin`, { headers: { authorization } })).status).toBe(special);
  });

  it('without keys everything is open but admin routes', async () => {
    const { url } = await start([hello, admin]);
    expect((await fetch(`${url}/hello/x`)).status).toBe(200);
    expect((await fetch(`${url}/admin`)).status).toBe(401);
  });

  it('without keys no other address than loopback is listened on, unless asked for', async () => {
    await expect(createHttpServer([], { host: '0.0.0.0', port: 0 }).listen()).rejects.toThrow(
      /without API keys/,
    );
    await start([], { host: '0.0.0.0', allowOpen: true });
    await service?.close();
    await start([], { host: '0.0.0.0', keys });
  });

  it('limits the requests of one key that are under way', async () => {
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow: Route = {
      ...echo,
      handler: async (_, reply) => {
        await gate;
        reply.json(200, 'done');
      },
    };
    const { url } = await start([slow], { keys, maxConcurrentPerKey: 1 });
    const first = post(`${url}/echo`, '{}', { authorization: 'Bearer ordinary-1' });
    await eventually('one running', () => service?.running === 1);
    const second = await post(`${url}/echo`, '{}', { authorization: 'Bearer ordinary-1' });
    expect([second.status, second.headers.get('retry-after')]).toEqual([429, '1']);
    const other = post(`${url}/echo`, '{}', { authorization: 'Bearer ordinary-2' });
    release();
    expect([(await first).status, (await other).status]).toEqual([200, 200]);
    expect((await post(`${url}/echo`, '{}', { authorization: 'Bearer ordinary-1' })).status).toBe(200);
  });
});

describe('browsers', () => {
  it.each([
    [{ Host: 'localhost:8000' }, 200],
    [{ Host: '127.0.0.1' }, 200],
    [{ Host: '[::1]:1' }, 200],
    [{ Host: 'chat.localhost' }, 200],
    [{ Host: 'evil.example' }, 403],
    [{ Host: '127.0.0.1.evil.example' }, 403],
    [{ Host: 'localhost@evil' }, 400],
    [{ Host: 'localhost:8000', Origin: 'http://localhost:8000' }, 200],
    [{ Host: 'localhost:8000', Origin: 'http://evil.example' }, 403],
    [{ Host: 'localhost:8000', Origin: 'http://localhost:9000' }, 403],
    [{ Host: 'localhost:8000', Origin: 'null' }, 403],
  ])('without keys, %j: %i', async (headers, status) => {
    const { address } = await start([hello]);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const text = await sendRaw(
      address.port,
      `GET /hello/x HTTP/1.1\r\n${lines.join('')}Connection: close\r\n\r\n`,
    );
    expect(parseAnswer(text).status).toBe(status);
    expect(text).not.toContain('access-control');
  });

  it('CORS for allowed origins alone', async () => {
    const origin = 'https://chat.example.org';
    const { url } = await start([echo], {
      keys: new ApiKeys({ keys: ['ordinary-1'] }),
      allowedOrigins: [origin],
    });
    const preflight = await fetch(`${url}/echo`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization, x-stainless-os',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe(origin);
    expect(preflight.headers.get('access-control-allow-headers')).toBe('authorization, x-stainless-os');
    const answer = await post(`${url}/echo`, '{}', { origin, authorization: 'Bearer ordinary-1' });
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, origin]);
    const refused = await fetch(`${url}/echo`, { headers: { origin } });
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, origin]);
    const other = await fetch(`${url}/echo`, { method: 'OPTIONS', headers: { origin: 'https://evil' } });
    expect([other.status, other.headers.get('access-control-allow-origin')]).toEqual([401, null]);
  });

  it('refuses an allowed origin that is none', () => {
    expect(() => createHttpServer([], { allowedOrigins: ['chat.example.org/x'] })).toThrow(InputError);
  });
});

describe('event streams', () => {
  const stream = (events: readonly unknown[], failure?: unknown): Route => ({
    ...echo,
    handler: async (_, reply) => {
      const out = reply.eventStream();
      for (const event of events) await out.send(event);
      if (failure !== undefined) throw failure;
      await out.end();
    },
  });

  it('has the headers and lines that clients expect', async () => {
    const { url } = await start([stream([{ a: '一\n' }, 'raw'])]);
    const response = await post(`${url}/echo`, '{}');
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      connection: 'keep-alive',
      'x-accel-buffering': 'no',
    });
    expect(await response.text()).toBe('data: {"a":"一\\n"}\n\ndata: raw\n\ndata: [DONE]\n\n');
  });

  it('an error before the first event has its own status', async () => {
    const { url } = await start([stream([], new QueueFullError('full'))]);
    const response = await post(`${url}/echo`, '{}');
    expect(response.status).toBe(429);
    await errorOf(response);
  });

  it('an error after it is an event, then the end', async () => {
    const { url } = await start([stream([1], new EngineUnavailableError('died'))]);
    const lines = (await (await post(`${url}/echo`, '{}')).text()).split('\n\n');
    expect(lines).toEqual([
      'data: 1',
      'data: {"error":{"message":"died","type":"ServiceUnavailableError","param":null,"code":503}}',
      'data: [DONE]',
      '',
    ]);
  });

  it('pings while nothing happens', async () => {
    const route: Route = {
      ...echo,
      handler: async (_, reply) => {
        const out = reply.eventStream();
        await sleep(120);
        await out.send(1);
        await out.end();
      },
    };
    const { url } = await start([route], { pingInterval: 40 });
    expect(await (await post(`${url}/echo`, '{}')).text()).toMatch(
      /^(: ping\n\n){1,3}data: 1\n\ndata: \[DONE\]\n\n$/,
    );
  });

  it('waits for a slow reader, then cuts it off', async () => {
    let sent = 0;
    let signal: AbortSignal | undefined;
    const route: Route = {
      ...echo,
      handler: async (request, reply) => {
        ({ signal } = request);
        const out = reply.eventStream();
        for (;;) {
          await out.send('x'.repeat(10_000));
          sent += 1;
        }
      },
    };
    const { address } = await start([route], { stallTimeout: 300 });
    const socket = await openSocket(address.port);
    socket.pause();
    socket.write(
      'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
    );
    await eventually('sending', () => sent > 0);
    await sleep(150);
    const paused = sent;
    await sleep(50);
    expect(sent).toBe(paused);
    expect(paused).toBeLessThan(5000);
    await eventually('cut off', () => signal?.aborted === true);
    await eventually('over', () => service?.running === 0);
    socket.destroy();
  });
});

describe('answers that nobody reads', () => {
  it('end with their connection', async () => {
    const large = 'x'.repeat(50_000_000);
    const { address } = await start([{ ...open, handler: (_, reply) => reply.text(200, large) }], {
      stallTimeout: 200,
    });
    const socket = await openSocket(address.port);
    socket.on('error', () => undefined).pause();
    socket.write('GET /open HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await eventually('begun', () => service?.running === 1);
    await eventually('given up', () => service?.running === 0);
    socket.destroy();
  });
});

describe('clients that go away', () => {
  it.each(['before an answer', 'within a stream'])('abort the signal %s', async (when) => {
    const lines: string[] = [];
    let signal: AbortSignal | undefined;
    const route: Route = {
      ...echo,
      handler: async (request, reply) => {
        ({ signal } = request);
        if (when === 'within a stream') await reply.eventStream().send('x');
        await once(request.signal, 'abort');
        throw request.signal.reason;
      },
    };
    const { address } = await start([route], { accessLog: (line) => lines.push(line) });
    const socket = await openSocket(address.port);
    socket.write(
      'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
    );
    await eventually('started', () => signal !== undefined);
    socket.destroy();
    await eventually('aborted', () => signal?.aborted === true);
    await eventually('over', () => service?.running === 0);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      status: 499,
      path: '/echo',
      method: 'POST',
      remote: '127.0.0.1',
    });
  });

  it('with further requests behind the one that is answered', async () => {
    const signals: AbortSignal[] = [];
    const route: Route = {
      ...echo,
      handler: async (request, reply) => {
        signals.push(request.signal);
        await reply.eventStream().send('x');
        await once(request.signal, 'abort');
        throw request.signal.reason;
      },
    };
    const { address } = await start([route]);
    const socket = await openSocket(address.port);
    const request =
      'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}';
    socket.write(request.repeat(12));
    await eventually('started', () => signals.length === 12);
    socket.destroy();
    await eventually('aborted', () => signals.every(({ aborted }) => aborted));
    await eventually('over', () => service?.running === 0);
  });

  it('nonsense behind a request does not get into its answer', async () => {
    const route: Route = {
      ...echo,
      handler: async (_, reply) => {
        const out = reply.eventStream();
        await out.send('x');
        await sleep(100);
        await out.end();
      },
    };
    const { address } = await start([route]);
    const socket = await openSocket(address.port);
    let text = '';
    socket
      .on('error', () => undefined)
      .on('data', (chunk) => {
        text += String(chunk);
      });
    socket.write(
      'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
    );
    await eventually('the first event', () => text.includes('data: x'));
    socket.write('nonsense\r\n\r\n');
    await eventually('over', () => service?.running === 0);
    expect(text).toContain('data: x');
    expect(text.match(/HTTP\/1.1/g)).toHaveLength(1);
  });

  it('while the body is on its way: logged, nothing else', async () => {
    const lines: string[] = [];
    const { address } = await start([echo], { accessLog: (line) => lines.push(line) });
    const socket = await openSocket(address.port);
    socket.write(
      'POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{}',
    );
    await eventually('started', () => service?.running === 1);
    socket.destroy();
    await eventually('over', () => service?.running === 0);
    expect(lines.map((line) => (JSON.parse(line) as { status: number }).status)).toEqual([499]);
  });
});

describe('draining', () => {
  /** Answers when told to; notes its request. */
  function held(): { route: Route; request: () => RouteRequest | undefined; release: () => void } {
    let release = (): void => undefined;
    let seen: RouteRequest | undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const route: Route = {
      ...echo,
      handler: async (request, reply) => {
        seen = request;
        await Promise.race([gate, once(request.signal, 'abort')]);
        request.signal.throwIfAborted();
        reply.json(200, 'done');
      },
    };
    return { route, request: () => seen, release };
  }
  const body = 'Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}';

  it('finishes what is under way, refuses new requests and connections, then closes', async () => {
    const { route, request, release } = held();
    const { url, address } = await start([route, hello]);
    const kept = await openSocket(address.port);
    let text = '';
    kept.on('data', (chunk) => {
      text += String(chunk);
    });
    kept.write('GET /hello/x HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await eventually('a kept-alive connection', () => text.includes('200 OK'));
    const running = post(`${url}/echo`, '{}');
    await eventually('running', () => request() !== undefined);
    const drained = service?.drain(5000);
    text = '';
    kept.write('GET /hello/x HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await eventually('a refusal', () => text.includes('\r\n\r\n'));
    expect(parseAnswer(text)).toMatchObject({ status: 503 });
    expect(parseAnswer(text).headers.get('retry-after')).toBe('10');
    expect(parseAnswer(text).headers.get('connection')).toBe('close');
    await expect(openSocket(address.port)).rejects.toThrow(/ECONNREFUSED/);
    release();
    expect((await running).status).toBe(200);
    await drained;
    expect(service?.running).toBe(0);
  });

  it('ends what takes too long', async () => {
    const { route, request } = held();
    const { url } = await start([route]);
    const running = post(`${url}/echo`, '{}');
    await eventually('running', () => request() !== undefined);
    await service?.drain(50);
    const response = await running;
    expect([response.status, (await errorOf(response)).message]).toEqual([
      503,
      'The server is shutting down.',
    ]);
  });

  it('closes though a connection says nothing and another stopped in its body', async () => {
    const { address } = await start([echo]);
    await openSocket(address.port);
    const stuck = await openSocket(address.port);
    stuck.on('error', () => undefined);
    stuck.write(`POST /echo HTTP/1.1\r\nHost: localhost\r\n${body.replace('2', '20')}`);
    await eventually('running', () => service?.running === 1);
    const started = performance.now();
    await service?.drain(50);
    expect(performance.now() - started).toBeLessThan(3000);
  });
});

describe('the access log', () => {
  it('has one line a request: no key, no query', async () => {
    const lines: string[] = [];
    const { url } = await start([hello], {
      keys: new ApiKeys({ keys: ['team:ordinary-1'] }),
      accessLog: (line) => lines.push(line),
    });
    await fetch(`${url}/hello/x?secret=1`, { headers: { authorization: 'Bearer ordinary-1' } });
    await eventually('a line', () => lines.length === 1);
    expect(lines[0]).not.toMatch(/secret|ordinary/);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      id: expect.stringMatching(/^req-/),
      remote: '127.0.0.1',
      method: 'GET',
      path: '/hello/x',
      status: 200,
      ms: expect.any(Number),
      bytes: expect.any(Number),
      key: 'team',
    });
  });
});
