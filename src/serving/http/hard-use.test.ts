/** What proxies, browsers and careless clients send: slashes, several Hosts, whole URLs, closing connections, odd line ends. */
import { afterEach, describe, expect, test } from 'vitest';
import { askRaw, eventually, parseAnswer } from '../../../tests/support/http-client.js';
import { ApiKeys } from './api-keys.js';
import { createHttpServer, type HttpService } from './create-http-server.js';
import type { HttpServerOptions } from './http-options.js';
import type { Route } from './route.js';

let service: HttpService | undefined;
afterEach(async () => {
  await service?.close();
  service = undefined;
});

const models: Route = {
  method: 'GET',
  path: '/v1/models',
  access: 'key',
  body: 'none',
  handler: (_, reply) => reply.json(200, []),
};
const stream: Route = {
  method: 'POST',
  path: '/stream',
  access: 'key',
  body: 'json',
  handler: async ({ note }, reply) => {
    note(() => ({ model: 'spark', promptTokens: 3, completionTokens: 2, firstTokenSeconds: 0.25 }));
    const events = reply.eventStream();
    await events.send({ text: 'a\u2028b\u2029c\u0085d\ne' });
    await events.send({ text: 'named' }, 'piece');
    await events.end();
  },
};
const page: Route = {
  ...models,
  path: '/app.js',
  access: 'open',
  isPublic: true,
  handler: (_, reply) => reply.text(200, 'script'),
};
const admin: Route = { ...models, path: '/admin', access: 'admin' };

async function start(options: HttpServerOptions = {}): Promise<HttpService> {
  service = createHttpServer([models, stream, page, admin], { port: 0, accessLog: null, ...options });
  await service.listen();
  return service;
}

const ask = async (head: string, body = ''): Promise<ReturnType<typeof parseAnswer>> =>
  parseAnswer(await askRaw(service?.address.port ?? 0, `${head}\r\n\r\n${body}`));

test.each(['/v1/models/', '/v1//models', '//v1/models', '///v1//models///'])(
  '%s is /v1/models',
  async (path) => {
    await start({ keys: new ApiKeys({ keys: ['abcdefgh'] }) });
    expect((await ask(`GET ${path} HTTP/1.1\r\nHost: localhost`)).status).toBe(401);
    expect((await ask(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nx-api-key: abcdefgh`)).status).toBe(200);
  },
);

describe('Host', () => {
  test('two of them are refused, even alike', async () => {
    await start();
    for (const second of ['localhost', 'evil.example']) {
      const { status, body } = await ask(`GET /v1/models HTTP/1.1\r\nHost: localhost\r\nhOST: ${second}`);
      expect([status, JSON.parse(body).error.message]).toEqual([
        400,
        'The request has 2 Host headers; send one.',
      ]);
    }
  });

  test('a whole URL counts, not the header', async () => {
    await start();
    const status = async (url: string, host: string): Promise<number> =>
      (await ask(`GET ${url} HTTP/1.1\r\nHost: ${host}`)).status;
    expect(await status('http://localhost/v1/models', 'evil.example')).toBe(200);
    expect(await status('http://evil.example/v1/models', 'localhost')).toBe(403);
    expect(await status('http://user@localhost/v1/models', 'localhost')).toBe(400);
  });

  test("our page's files are for every name and every page, and nothing else is", async () => {
    await start();
    const origin = 'Origin: https://evil.example';
    expect((await ask(`GET /app.js HTTP/1.1\r\nHost: evil.example\r\n${origin}`)).status).toBe(200);
    expect((await ask(`GET /v1/models HTTP/1.1\r\nHost: evil.example`)).status).toBe(403);
    expect((await ask(`GET /v1/models HTTP/1.1\r\nHost: localhost\r\n${origin}`)).status).toBe(403);
    expect((await ask(`POST /app.js HTTP/1.1\r\nHost: localhost\r\n${origin}`)).status).toBe(403);
    expect((await ask(`GET /nothing HTTP/1.1\r\nHost: localhost\r\n${origin}`)).status).toBe(403);
  });
});

describe('streams', () => {
  const post = (more: string): string =>
    `POST /stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2${more}`;

  test('the connection is what the client asked for', async () => {
    await start();
    expect((await ask(post(''), '{}')).headers.get('connection')).toBe('keep-alive');
    const closing = await ask(post('\r\nConnection: close'), '{}');
    expect(closing.headers.get('connection')).toBe('close');
  });

  test('one line is one line to every reader; events have names', async () => {
    await start();
    const { body } = await ask(post('\r\nConnection: close'), '{}');
    const data = /data: (\{"text":"a.*\})/.exec(body)?.[1] ?? '';
    expect(data).toBe('{"text":"a\\u2028b\\u2029c\\u0085d\\ne"}');
    expect(JSON.parse(data).text).toBe('a\u2028b\u2029c\u0085d\ne');
    expect(body).toContain('event: piece\ndata: {"text":"named"}\n\n');
  });
});

test('a key that is missing on an admin route is a 401, one that is no admin key a 403', async () => {
  const status = async (key?: string): Promise<number> =>
    (
      await ask(
        `GET /admin HTTP/1.1\r\nHost: localhost${key === undefined ? '' : `\r\nAuthorization: Bearer ${key}`}`,
      )
    ).status;
  await start({ keys: new ApiKeys({ keys: ['ordinary'], adminKeys: ['administrator'] }) });
  expect([
    await status(),
    await status('unknown-key'),
    await status('ordinary'),
    await status('administrator'),
  ]).toEqual([401, 401, 403, 200]);
  await service?.close();
  await start({ keys: new ApiKeys({ keys: ['ordinary'] }) });
  expect([await status(), await status('ordinary')]).toEqual([401, 403]);
  await service?.close();
  await start();
  expect(await status()).toBe(401);
});

test('a line of the log says what was done, or why not, in one form', async () => {
  const lines: string[] = [];
  await start({ accessLog: (line) => lines.push(line), keys: new ApiKeys({ keys: ['alice:abcdefgh'] }) });
  const key = 'Authorization: Bearer abcdefgh\r\n';
  await ask(
    `POST /stream HTTP/1.1\r\nHost: localhost\r\n${key}Content-Type: application/json\r\nContent-Length: 2`,
    '{}',
  );
  await ask(
    `POST /stream HTTP/1.1\r\nHost: localhost\r\n${key}Content-Type: application/json\r\nContent-Length: 1`,
    '{',
  );
  await ask('nonsense');
  await eventually('three lines', () => lines.length === 3);
  const [done, refused, nonsense] = lines.map((line) => JSON.parse(line));
  expect(done).toMatchObject({
    status: 200,
    key: 'alice',
    model: 'spark',
    prompt_tokens: 3,
    completion_tokens: 2,
    first_token_ms: 250,
  });
  expect(done).not.toHaveProperty('reason');
  expect(refused).toMatchObject({
    status: 400,
    key: 'alice',
    reason: expect.stringContaining('not valid JSON'),
  });
  expect(nonsense).toMatchObject({
    status: 400,
    method: 'none',
    reason: expect.stringContaining('not valid HTTP'),
  });
  for (const line of [done, refused, nonsense])
    expect(Object.keys(line).slice(0, 5)).toEqual(['time', 'id', 'remote', 'method', 'path']);
});

test('bodies are counted before they are parsed', async () => {
  await start();
  const send = async (body: string): Promise<unknown> => {
    const head = `POST /stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close`;
    const { status, body: answer } = await ask(`${head}\r\nContent-Length: ${body.length}`, body);
    return [status, status === 200 ? '' : JSON.parse(answer).error.message];
  };
  const many = (unit: string, count: number): string => `[${Array(count).fill(unit).join(',')}]`;
  expect(await send(many('{}', 40_000))).toEqual([
    400,
    expect.stringMatching(/more than 32768 objects, lists/),
  ]);
  expect(await send(many('1', 1_100_000))).toEqual([400, expect.stringMatching(/more than 500000 values/)]);
  // Brackets, commas and escapes within texts are none.
  expect(await send(`["${'[{,:\\"'.repeat(100_000)}"]`)).toEqual([200, '']);
});
