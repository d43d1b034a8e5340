/** `xinghe serve` while schemas are compiled that take long, or never end: nobody else waits for them. */
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { longTest } from './support/long-suite.js';
import { ServedProcess } from './support/served-process.js';
import { servingCase } from './support/serving-case.js';
import { writeTinyModel } from './support/tiny-model.js';

let model: string;
beforeAll(async () => {
  model = await writeTinyModel();
});
afterAll(() => rmSync(dirname(model), { recursive: true, force: true }));

const servers: ServedProcess[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.end()));
});

async function start(args: readonly string[] = []): Promise<ServedProcess> {
  const server = new ServedProcess(['--model', model, '--port', '0', '--quiet', ...args]);
  servers.push(server);
  await server.ready();
  return server;
}

const plain = { prompt: 'Once upon a time', max_tokens: 4, temperature: 0, ignore_eos: true };

/** Seconds of the slowest of some plain requests, one after the other, and that health was good all the while. */
async function slowest(
  server: ServedProcess,
  isOver: () => boolean,
  init: RequestInit = {},
): Promise<number> {
  let most = 0;
  for (let round = 0; round < 3 || !isOver(); round++) {
    const from = performance.now();
    expect((await server.post('/v1/completions', plain, init)).status).toBe(200);
    most = Math.max(most, (performance.now() - from) / 1000);
    expect(await server.health()).toBe(200);
  }
  return most;
}

/** Each of them looks at every character of Unicode. */
const scripts = [
  ...['Adlam', 'Ahom', 'Arabic', 'Armenian', 'Avestan', 'Balinese', 'Bamum', 'Batak', 'Bengali', 'Bopomofo'],
  ...['Brahmi', 'Braille', 'Buginese', 'Buhid', 'Carian', 'Chakma', 'Cham', 'Cherokee', 'Coptic', 'Cypriot'],
];
const regex = (own: number): object => ({
  ...plain,
  structured_outputs: { regex: `${own}[${scripts.map((script) => `\\p{scx=${script}}`).join('')}]` },
});

test('grammars that take too long are refused, and a plain request does not feel them', async () => {
  const server = await start();
  const idle = await slowest(server, () => true);
  const cases = ['oneof-37s.json', 'regex-scx-5s.json'].flatMap((name) => servingCase(name) ?? []);
  let isOver = false;
  const bad = Promise.all([
    ...cases.map((body) => server.post('/v1/chat/completions', body)),
    ...[1, 2, 3].map((own) => server.post('/v1/completions', regex(own))),
  ]).finally(() => {
    isOver = true;
  });
  // Bounds with room for a busy machine; it was 5 to 37 s.
  expect(await slowest(server, () => isOver)).toBeLessThan(2 + 5 * idle);
  for (const response of await bad) {
    expect([200, 400]).toContain(response.status);
    if (response.status === 400) expect(await response.text()).toMatch(/to compile|allows no text that ends/);
  }
});

longTest(
  'a client with many large schemas delays neither a plain request nor the small schema of another',
  async () => {
    const keys = join(dirname(model), 'keys');
    writeFileSync(keys, 'ann:ann-ann-ann\nbob:bob-bob-bob\n', { mode: 0o600 });
    const server = await start(['--api-key-file', keys]);
    const by = (name: string): RequestInit => ({
      headers: { authorization: `Bearer ${name}-${name}-${name}` },
    });
    const idle = await slowest(server, () => true, by('bob'));
    const large = (seed: number): object => {
      const properties = Object.fromEntries(
        Array.from({ length: 400 }, (_, index) => [
          `property_${seed}_${index}`,
          index % 2 === 0 ? { type: 'string', maxLength: 20 + index } : { type: 'integer', minimum: index },
        ]),
      );
      const format = { type: 'json_schema', json_schema: { schema: { type: 'object', properties } } };
      return { ...plain, response_format: format };
    };
    let done = 0;
    const many = Promise.all(
      Array.from({ length: 12 }, async (_, seed) => {
        const { status } = await server.post('/v1/completions', large(seed), by('ann'));
        done += 1;
        return status;
      }),
    );
    many.catch(() => undefined);
    // All of them are there.
    while (done === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const small = await server.post(
      '/v1/completions',
      { ...plain, structured_outputs: { choice: ['yes', 'no'] } },
      by('bob'),
    );
    expect(small.status).toBe(200);
    expect(done, 'it did not wait for all of the others').toBeLessThan(10);
    expect(await slowest(server, () => done === 12, by('bob'))).toBeLessThan(2 + 5 * idle);
    // On a busy machine some may take too long.
    for (const status of await many) expect([200, 400]).toContain(status);
  },
);
