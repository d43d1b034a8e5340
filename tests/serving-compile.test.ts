/** `xinghe serve` while schemas are compiled that take long, or never end: nobody else waits for them. */
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
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

async function start(): Promise<ServedProcess> {
  const server = new ServedProcess(['--model', model, '--port', '0', '--quiet', '--max-sequences', '128']);
  servers.push(server);
  await server.ready();
  return server;
}

const plain = { prompt: 'Once upon a time', max_tokens: 4, temperature: 0, ignore_eos: true };

/** Seconds of the slowest of some plain requests, one after the other, and that health was good all the while. */
async function slowest(server: ServedProcess, isOver: () => boolean): Promise<number> {
  let most = 0;
  for (let round = 0; round < 3 || !isOver(); round++) {
    const from = performance.now();
    expect((await server.post('/v1/completions', plain)).status).toBe(200);
    most = Math.max(most, (performance.now() - from) / 1000);
    expect(await server.health()).toBe(200);
  }
  return most;
}

const regex = (own: number): object => ({
  ...plain,
  structured_outputs: {
    regex: `${own}[${['Adlam', 'Ahom', 'Arabic', 'Armenian', 'Avestan', 'Balinese', 'Bamum', 'Batak', 'Bengali', 'Bopomofo', 'Brahmi', 'Braille', 'Buginese', 'Buhid', 'Carian', 'Chakma', 'Cham', 'Cherokee', 'Coptic', 'Cypriot', 'Deseret', 'Dogra'].map((script) => `\\p{scx=${script}}`).join('')}]`,
  },
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
    if (response.status === 400) expect(await response.text()).toMatch(/to compile/);
  }
});

test('many clients with large schemas of their own delay neither a plain request nor a small schema for long', async () => {
  const server = await start();
  const idle = await slowest(server, () => true);
  const large = (seed: number): object => {
    const properties = Object.fromEntries(
      Array.from({ length: 700 }, (_, index) => [
        `property_${seed}_${index}`,
        index % 2 === 0 ? { type: 'string', maxLength: 20 + index } : { type: 'integer', minimum: index },
      ]),
    );
    return {
      ...plain,
      response_format: { type: 'json_schema', json_schema: { schema: { type: 'object', properties } } },
    };
  };
  let isOver = false;
  const many = Promise.all(
    Array.from({ length: 24 }, (_, seed) => server.post('/v1/completions', large(seed))),
  ).finally(() => {
    isOver = true;
  });
  const small = server.post('/v1/completions', { ...plain, structured_outputs: { choice: ['yes', 'no'] } });
  let isSmallOver = false;
  void small.then(() => {
    isSmallOver = true;
  });
  expect(await slowest(server, () => isSmallOver)).toBeLessThan(2 + 5 * idle);
  expect((await small).status).toBe(200);
  expect(await slowest(server, () => isOver)).toBeLessThan(2 + 5 * idle);
  for (const response of await many) expect(response.status).toBe(200);
});
