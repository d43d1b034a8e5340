/** /v1/embeddings over the real engine in this process and the `openai` client: the model's own hidden states, of length 1. */
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadAdapter } from '../src/checkpoint/index.js';
import { type LoadedModel, loadModel } from '../src/models/index.js';
import { startEngine } from '../src/serving/engine-process/text-engine-module.js';
import { loadServedModel, type ServedModel } from '../src/serving/index.js';
import { intTensor, noGrad, scope } from '../src/tensor/index.js';
import { LocalEngineService } from './support/local-engine-service.js';
import { type ApiServer, type Json, serveOpenAi } from './support/openai-server.js';
import { tinyAdapter, writeTinyModel } from './support/tiny-model.js';

const PATH = '/v1/embeddings';
const texts = ['Hello, world!', '你好', 'a'];
let folder: string;
let served: ServedModel;
let plain: LoadedModel;
let adapted: LoadedModel;
let engine: LocalEngineService;
const servers: ApiServer[] = [];

beforeAll(async () => {
  folder = await writeTinyModel();
  served = loadServedModel({ path: folder, id: 'tiny' });
  plain = loadModel(folder, { dtype: 'float32' });
  adapted = loadModel(folder, { dtype: 'float32' });
  loadAdapter(adapted.model, adapted.architecture.names, tinyAdapter);
  engine = new LocalEngineService(
    await startEngine({
      model: { path: folder },
      dtype: 'float32',
      stopIds: served.stopTokenIds,
      settings: { cacheTokens: 4096, maxLength: 64 },
    }),
  );
  await engine.loadAdapter({ name: 'persona', path: tinyAdapter });
});
afterAll(async () => {
  for (const server of servers) await server.close();
  await engine?.close();
  plain?.model.dispose();
  adapted?.model.dispose();
});

async function start(pooling: 'last' | 'mean'): Promise<ApiServer> {
  const server = await serveOpenAi({ model: served, engine, pooling, maxSequences: 4 });
  servers.push(server);
  return server;
}

/** One pass over the whole text, pooled, of length 1. */
function reference({ model }: LoadedModel, ids: readonly number[], pooling: 'last' | 'mean'): number[] {
  return noGrad(() =>
    scope(() => {
      const hidden = model.hiddenStates(
        intTensor([...ids], [1, ids.length]),
        model.createContext(ids.length),
      );
      const states = model.finalNorm.forward(hidden).toFloat32Array();
      const width = model.shape.hiddenSize;
      const rows = Array.from(ids, (_, row) => states.subarray(row * width, (row + 1) * width));
      const counted = pooling === 'last' ? rows.slice(-1) : rows;
      const sums = Array.from({ length: width }, (_, place) =>
        counted.reduce((sum, row) => sum + (row[place] ?? 0), 0),
      );
      const length = Math.hypot(...sums);
      return sums.map((value) => value / length);
    }),
  );
}

function expectClose(found: readonly number[] | undefined, expected: readonly number[]): void {
  expect(found?.length).toBe(expected.length);
  for (const [place, value] of expected.entries())
    expect(Math.abs(value - (found?.[place] ?? Number.NaN))).toBeLessThan(1e-5);
}

describe.each(['last', 'mean'] as const)('pooling %s', (pooling) => {
  test('texts, ids, floats and base64, with the client of OpenAI; an adapter by its name', async () => {
    const { url } = await start(pooling);
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
    const ids = texts.map((text) => served.encode(text));
    const expected = ids.map((each) => reference(plain, each, pooling));
    // Without a format the client asks for base64 and decodes it.
    for (const input of [texts, ids])
      for (const encoding_format of [undefined, 'float'] as const) {
        const answer = await client.embeddings.create({
          model: 'tiny',
          input,
          dimensions: plain.model.shape.hiddenSize,
          ...(encoding_format && { encoding_format }),
        });
        expect(answer).toMatchObject({ object: 'list', model: 'tiny' });
        expect(answer.data.map(({ index }) => index)).toEqual([0, 1, 2]);
        for (const [index, { embedding }] of answer.data.entries())
          expectClose(embedding, expected[index] ?? []);
        const tokens = ids.flat().length;
        expect(answer.usage).toMatchObject({ prompt_tokens: tokens, total_tokens: tokens });
      }
    const alone = await client.embeddings.create({ model: 'tiny', input: texts[0] ?? '' });
    expectClose(alone.data[0]?.embedding, expected[0] ?? []);
    const persona = await client.embeddings.create({ model: 'persona', input: texts });
    expect(persona.model).toBe('persona');
    for (const [index, { embedding }] of persona.data.entries()) {
      expectClose(embedding, reference(adapted, ids[index] ?? [], pooling));
      expect(embedding).not.toEqual(alone.data[0]?.embedding);
    }
  });

  test('the same bits in a long list, written in pieces, beside a running answer', async () => {
    const server = await start(pooling);
    const one = await server.post(PATH, { input: 'Hello, world!' });
    const chat = server.post('/v1/completions', { prompt: 'The', max_tokens: 40, ignore_eos: true });
    const many = await server.post(PATH, { input: Array.from({ length: 1024 }, () => 'Hello, world!') });
    expect((await chat).status).toBe(200);
    expect(many.status).toBe(200);
    expect(many.json.data.length * many.json.data[0].embedding.length).toBeGreaterThan(16_384);
    for (const { embedding } of many.json.data) expect(embedding).toEqual(one.json.data[0].embedding);
    expect(many.json.usage.prompt_tokens).toBe(1024 * one.json.usage.prompt_tokens);
    expect(many.json.data.map(({ index }: Json) => index)).toEqual(Array.from({ length: 1024 }, (_, i) => i));
  });
});

test('a 400 names the field; an unknown model is a 404', async () => {
  const server = await start('last');
  const fill = (count: number): number[] => Array.from({ length: count }, () => 5);
  expect((await server.post(PATH, { input: fill(64) })).status).toBe(200);
  for (const [body, param] of [
    [{}, 'input'],
    [{ input: '' }, 'input'],
    [{ input: [] }, 'input'],
    [{ input: ['a', ''] }, 'input.1'],
    [{ input: [1, 'a'] }, 'input.1'],
    [{ input: [[1], [99_999]] }, 'input.1.0'],
    [{ input: fill(65) }, 'input'],
    [{ input: [fill(1), fill(65)] }, 'input.1'],
    [{ input: 'word '.repeat(3000) }, 'input'],
    [{ input: fill(1025).map(String) }, 'input'],
    [{ input: 'a', dimensions: 3 }, 'dimensions'],
    [{ input: 'a', encoding_format: 'hex' }, 'encoding_format'],
    [{ input: 'a', model: 5 }, 'model'],
  ] as const) {
    const { status, json } = await server.post(PATH, body);
    expect([status, json.error?.param], JSON.stringify(body).slice(0, 80)).toEqual([400, param]);
    expect(json.error.message).toContain(param.split('.')[0]);
  }
  expect((await server.post(PATH, { input: 'a', model: 'gpt' })).status).toBe(404);
  const cut = await server.post(PATH, { input: fill(80), truncate_prompt_tokens: -1 });
  expect([cut.status, cut.json.usage.prompt_tokens]).toEqual([200, 64]);
});
