/**
 * The OpenAI routes over the real engine in this process, with the golden models of every family and a small tokenizer: ids,
 * scores and log-probabilities are those of the goldens and of a plain forward pass.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadModel, loadModelArchitecture } from '../src/models/index.js';
import { startEngine } from '../src/serving/engine-process/text-engine-module.js';
import { loadServedModel } from '../src/serving/index.js';
import { intTensor, scope } from '../src/tensor/index.js';
import { trainSentencePiece } from '../src/tokenizers/index.js';
import { goldenFolder, goldenJson, goldenModels } from './support/golden.js';
import { LocalEngineService } from './support/local-engine-service.js';
import { type ApiServer, type Json, serveOpenAi } from './support/openai-server.js';

const scratch = mkdtempSync(join(tmpdir(), 'serving-goldens-'));
const tokenizerPath = join(scratch, 'tokenizer.model');
const VOCABULARY = 320;

interface Generation {
  readonly prompt_ids: number[][];
  readonly new_ids: number[][];
  readonly repetition_penalty?: ['ctrl', number] | ['spark', number, number];
}

interface BeamGeneration {
  readonly prompt_ids: number[][];
  readonly eos_token_id: number;
  readonly max_new_tokens: number;
  readonly early_stopping: Record<'True' | 'False' | 'never', { sequences: number[][] }>;
}

beforeAll(async () => {
  const corpus = join(scratch, 'corpus.txt');
  const sentences = [
    '今天天气很好，我们去公园散步吧。',
    'the quick brown fox jumps over the lazy dog',
    '你好，世界！',
  ];
  writeFileSync(corpus, sentences.flatMap((sentence) => [sentence, sentence, sentence]).join('\n'));
  const marks = ['<ret>', '<end>', '<User>', '<Bot>', '<_user>', '<_bot>', '<_end>'];
  const { file } = await trainSentencePiece(
    { algorithm: 'bpe', vocabSize: VOCABULARY, byteFallback: true, userDefinedSymbols: marks },
    { files: [corpus], workers: 1 },
  );
  writeFileSync(tokenizerPath, file);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.each(goldenModels)('%s', (family) => {
  const { generation } = goldenJson<{ generation: Record<string, unknown> }>(`${family}/expected.json`);
  let server: ApiServer;
  let engine: LocalEngineService;

  beforeAll(async () => {
    const path = `${goldenFolder}${family}`;
    const model = loadServedModel({ path, tokenizerPath, id: family });
    const { stopTokenIds: stopIds, maxModelLength } = model;
    engine = new LocalEngineService(
      await startEngine({
        model: { path, tokenizerPath },
        stopIds,
        settings: { cacheTokens: 2048, maxLength: Math.min(256, maxModelLength) },
      }),
    );
    server = await serveOpenAi({ model, engine });
  });
  afterAll(async () => {
    await server?.close();
    await engine?.close();
  });

  const complete = async (body: object): Promise<Json> => {
    const { status, json } = await server.post('/v1/completions', { temperature: 0, ...body });
    expect([status, json.error]).toEqual([200, undefined]);
    return json;
  };

  test.each(['greedy', 'greedy_ctrl_penalty', 'greedy_spark_penalty'].filter((name) => name in generation))(
    'ids of %s',
    async (name) => {
      const golden = generation[name] as Generation;
      const penalty = golden.repetition_penalty;
      const json = await complete({
        prompt: golden.prompt_ids,
        max_tokens: golden.new_ids[0]?.length,
        ignore_eos: true,
        return_token_ids: true,
        ...(penalty?.[0] === 'ctrl' && { repetition_penalty: penalty[1] }),
        ...(penalty?.[0] === 'spark' && { spark_penalty: { value: penalty[1], increase: penalty[2] } }),
      });
      expect(json.choices.map(({ token_ids }: Json) => token_ids)).toEqual(golden.new_ids);
      expect(json.choices[0].finish_reason).toBe('length');
    },
  );

  // Only transformers' own layout has goldens of beams.
  if ('beam4' in generation)
    test('beams of the first prompt, best first', async () => {
      const golden = generation.beam4 as BeamGeneration;
      const [prompt = []] = golden.prompt_ids;
      for (const [early_stopping, rows] of [
        [true, golden.early_stopping.True],
        [false, golden.early_stopping.False],
        ['never', golden.early_stopping.never],
      ] as const) {
        const json = await complete({
          prompt,
          n: 4,
          use_beam_search: true,
          early_stopping,
          ignore_eos: true,
          stop_token_ids: [golden.eos_token_id],
          max_tokens: golden.max_new_tokens,
          return_token_ids: true,
        });
        for (const [rank, { token_ids }] of json.choices.entries()) {
          const row = rows.sequences[rank]?.slice(prompt.length) ?? [];
          expect(token_ids).toEqual(row.slice(0, token_ids.length));
          expect(token_ids.length === golden.max_new_tokens || token_ids.at(-1) === golden.eos_token_id).toBe(
            true,
          );
        }
      }
    });

  test('log-probabilities of an echo are those of a forward pass, cached or not', async () => {
    const { prompt_ids } = generation.greedy as Generation;
    const ids = [...(prompt_ids[0] ?? []), ...(prompt_ids[0] ?? [])];
    const expected = forwardLogProbs(`${goldenFolder}${family}`, ids);
    for (const max_tokens of [0, 1, 1]) {
      const { choices, usage } = await complete({
        prompt: [ids],
        echo: true,
        logprobs: 1,
        max_tokens,
        seed: 1234,
      });
      const { tokens, token_logprobs, top_logprobs, text_offset } = choices[0].logprobs;
      for (const array of [tokens, token_logprobs, top_logprobs, text_offset])
        expect(array).toHaveLength(ids.length + max_tokens);
      expect([token_logprobs[0], top_logprobs[0]]).toEqual([null, null]);
      for (let at = 1; at < ids.length; at++) {
        // Float32 against float64; the scores themselves are near -6.
        expect(token_logprobs[at]).toBeCloseTo(expected[at - 1]?.[ids[at] ?? 0] ?? Number.NaN, 4);
        const isGreedy = (expected[at - 1] ?? []).every(
          (value) => value <= (expected[at - 1]?.[ids[at] ?? 0] ?? 0),
        );
        expect(Math.max(...Object.values<number>(top_logprobs[at])) === token_logprobs[at]).toBe(isGreedy);
      }
      expect(usage.completion_tokens).toBe(max_tokens);
    }
  });

  const { hasChatFormat, family: name } = loadModelArchitecture(`${goldenFolder}${family}`);

  const refusedChat = async (): Promise<void> => {
    const { status, json } = await server.post('/v1/chat/completions', {
      messages: [{ role: 'user', content: '你好' }],
    });
    expect(status).toBe(400);
    expect(json.error.message).toMatch(new RegExp(`^${name} chat: .*chat_template\\.jinja`));
  };

  const seededChat = async (): Promise<void> => {
    const body = {
      messages: [{ role: 'user', content: '你好' }],
      max_tokens: 24,
      seed: 3,
      n: 3,
      temperature: 2,
    };
    const { json } = await server.post('/v1/chat/completions', body);
    const texts = json.choices.map(({ message }: Json) => message.content);
    expect(new Set(texts).size).toBeGreaterThan(1);
    const again = await server.post('/v1/chat/completions', body);
    expect(again.json.choices.map(({ message }: Json) => message.content)).toEqual(texts);
    const events = await server.stream('/v1/chat/completions', { ...body, stream: true });
    const streamed = ['', '', ''];
    for (const { choices } of events.slice(0, -1))
      streamed[choices[0].index] += choices[0].delta.content ?? '';
    expect(streamed).toEqual(texts);
  };

  if (hasChatFormat)
    test('a chat: seeds repeat it, choices differ, the stream has the same text', seededChat);
  else test('a chat without a template is refused, and says what is missing', refusedChat);

  test('a stop string ends the text before it; ids and choices as allowed', async () => {
    const { prompt_ids } = generation.greedy as Generation;
    const prompt = prompt_ids[0];
    const free = await complete({ prompt, max_tokens: 24, ignore_eos: true });
    const { text } = free.choices[0];
    const stop = [...text].slice(-4, -2).join('');
    const stopped = await complete({ prompt, max_tokens: 24, ignore_eos: true, stop });
    expect(stopped.choices[0]).toMatchObject({
      text: text.slice(0, text.indexOf(stop)),
      finish_reason: 'stop',
      stop_reason: stop,
    });
    const allowed = await complete({
      prompt,
      max_tokens: 6,
      allowed_token_ids: [70, 71],
      ignore_eos: true,
      return_token_ids: true,
    });
    expect(new Set([70, 71, ...allowed.choices[0].token_ids]).size).toBe(2);
    const ended = await complete({
      prompt,
      max_tokens: 6,
      logit_bias: { 99: 100 },
      stop_token_ids: [99],
      return_token_ids: true,
    });
    expect(ended.choices[0]).toMatchObject({
      token_ids: [99],
      finish_reason: 'stop',
      stop_reason: 99,
      text: '',
    });
    const choice = await complete({
      prompt,
      max_tokens: 40,
      structured_outputs: { choice: ['你好', 'fox'] },
    });
    expect(['你好', 'fox']).toContain(choice.choices[0].text);
  });
});

/** [T - 1][V], in float64. */
function forwardLogProbs(path: string, ids: readonly number[]): number[][] {
  return scope(() => {
    const { model } = loadModel(path, { dtype: 'float64' });
    const logits = model.forward(intTensor(ids, [1, ids.length])); // [1, T, V]
    const flat = logits.logSoftmax(-1).toFloat64Array();
    const width = flat.length / ids.length;
    model.dispose();
    return ids.slice(1).map((_, row) => [...flat.subarray(row * width, (row + 1) * width)]);
  });
}
