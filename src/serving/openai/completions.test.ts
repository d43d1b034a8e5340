import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Json,
  sparkLikeModel,
  startOpenAiServer,
  type TestServer,
  tokensOf,
} from '../../../tests/support/openai-server.js';

const PATH = '/v1/completions';
const model = sparkLikeModel();
const answer = '，世界';
const end = model.stopTokenIds[0] ?? 0;
let server: TestServer;

beforeAll(async () => {
  server = await startOpenAiServer({ model, answer: () => ({ tokens: tokensOf(model, answer) }) });
});
afterAll(() => server.close());

test('a text is continued; 16 tokens unless more are asked for', async () => {
  const { status, json } = await server.post(PATH, { prompt: '你好', max_tokens: null });
  expect(status).toBe(200);
  expect(json).toMatchObject({
    id: expect.stringMatching(/^cmpl-/),
    object: 'text_completion',
    choices: [{ index: 0, text: answer, logprobs: null, finish_reason: 'stop', stop_reason: null }],
    usage: { prompt_tokens: expect.any(Number), completion_tokens: tokensOf(model, answer).length },
  });
  expect(server.engine.requests.at(-1)).toMatchObject({
    maxNewTokens: 16,
    sequenceIndex: 0,
    stopTokenIds: [end],
  });
});

test('texts, ids and lists of both; the index is prompt * n + choice', async () => {
  const ids = model.tokenizer.encode('你好');
  for (const [prompt, count] of [
    ['你好', 1],
    [ids, 1],
    [['你好', '再见'], 2],
    [[ids, ids, ids], 3],
  ] as const) {
    const { json } = await server.post(PATH, { prompt, n: 2 });
    expect(json.choices.map(({ index }: Json) => index)).toEqual(
      Array.from({ length: 2 * count }, (_, i) => i),
    );
    expect(json.usage.prompt_tokens).toBe(
      server.engine.requests
        .slice(-2 * count)
        .filter(({ sequenceIndex }) => sequenceIndex === 0)
        .reduce((sum, { promptIds }) => sum + promptIds.length, 0),
    );
  }
  await server.post(PATH, { prompt: ids });
  expect(server.engine.requests.at(-1)?.promptIds).toEqual(ids);
});

test('echo and logprobs: one entry for every token of prompt and answer', async () => {
  const ids = model.tokenizer.encode('你好 ab');
  const body = {
    prompt: [ids],
    max_tokens: 1,
    logprobs: 1,
    echo: true,
    temperature: 0,
    seed: 1234,
    model: 'spark',
  };
  const { json } = await server.post(PATH, body);
  const [{ text, logprobs }] = json.choices;
  const first = tokensOf(model, answer)[0]?.text ?? '';
  expect(text).toBe(`你好 ab${first}`);
  for (const key of ['tokens', 'token_logprobs', 'top_logprobs', 'text_offset'])
    expect(logprobs[key]).toHaveLength(ids.length + 1);
  expect(logprobs.token_logprobs[0]).toBeNull();
  expect(logprobs.top_logprobs[0]).toBeNull();
  for (const [index, top] of logprobs.top_logprobs.slice(1).entries())
    expect(Math.max(...Object.values<number>(top))).toBe(logprobs.token_logprobs[index + 1]);
  expect(logprobs.text_offset[0]).toBe(0);
  for (const [index, token] of logprobs.tokens.entries())
    if (!token.startsWith('bytes:'))
      expect(
        [...text].slice(logprobs.text_offset[index], logprobs.text_offset[index] + token.length),
      ).toEqual([...token]);
});

test('echo without new tokens has exactly the tokens of the prompt', async () => {
  const ids = model.tokenizer.encode('你好');
  const { json } = await server.post(PATH, { prompt: ids, max_tokens: 0, logprobs: 1, echo: true });
  expect(json.choices[0]).toMatchObject({ text: '你好', finish_reason: 'length' });
  expect(json.choices[0].logprobs.token_logprobs).toHaveLength(ids.length);
  expect(json.usage.completion_tokens).toBe(0);
});

test('an end token counts as one of the tokens', async () => {
  const only = await startOpenAiServer({ model, answer: () => ({ tokens: [{ id: end, text: '' }] }) });
  const ids = model.tokenizer.encode('你好');
  const { json } = await only.post(PATH, { prompt: ids, max_tokens: 1, logprobs: 1, echo: true });
  expect(json.choices[0].logprobs.token_logprobs).toHaveLength(ids.length + 1);
  expect(json.choices[0].finish_reason).toBe('stop');
  await only.close();
});

test('the stream has the same text, log-probabilities and ids', async () => {
  const body = { prompt: ['你好', '再见'], logprobs: 2, echo: true, return_token_ids: true };
  const { json } = await server.post(PATH, body);
  const events = await server.stream(PATH, {
    ...body,
    stream: true,
    stream_options: { include_usage: true },
  });
  expect(events.at(-1)).toBe('[DONE]');
  expect(events.at(-2)).toMatchObject({ choices: [], usage: json.usage });
  for (const choice of json.choices) {
    const own = events.slice(0, -2).filter((event: Json) => event.choices[0].index === choice.index);
    expect(own.map(({ choices }: Json) => choices[0].text).join('')).toBe(choice.text);
    for (const key of ['tokens', 'token_logprobs', 'top_logprobs', 'text_offset'])
      expect(own.flatMap(({ choices }: Json) => choices[0].logprobs?.[key] ?? [])).toEqual(
        choice.logprobs[key],
      );
    expect(own.flatMap(({ choices }: Json) => choices[0].token_ids)).toEqual(choice.token_ids);
    expect(own[0].choices[0].prompt_token_ids).toEqual(choice.prompt_token_ids);
    expect(own.at(-1).choices[0].finish_reason).toBe('stop');
  }
});

test('tokens of one text have keys of their own; ids as names', async () => {
  const { json } = await server.post(PATH, {
    prompt: '你',
    max_tokens: 1,
    logprobs: 3,
    return_tokens_as_token_ids: true,
  });
  const [top] = json.choices[0].logprobs.top_logprobs;
  expect(Object.keys(top)).toHaveLength(3);
  expect(Object.keys(top).every((key) => /^token_id:\d+$/.test(key))).toBe(true);
});

test('prompt_logprobs belong to the choice', async () => {
  const { json } = await server.post(PATH, { prompt: '你好', prompt_logprobs: 1, max_tokens: 0 });
  expect(json.choices[0].prompt_logprobs).toHaveLength(json.usage.prompt_tokens);
});

const wrong: [body: object, param: string][] = [
  [{}, 'prompt'],
  [{ prompt: null }, 'prompt'],
  [{ prompt: [] }, 'prompt'],
  [{ prompt: '' }, 'prompt'],
  [{ prompt: [1, 'a'] }, 'prompt.1'],
  [{ prompt: [[1], 'a'] }, 'prompt.1'],
  [{ prompt: [-1] }, 'prompt.0'],
  [{ prompt: [99999] }, 'prompt.0'],
  [{ prompt: [[1, 99999]] }, 'prompt.0.1'],
  [{ prompt: 'a', suffix: 'b' }, 'suffix'],
  [{ prompt: 'a', max_tokens: 0 }, 'max_tokens'],
  [{ prompt: 'a', logprobs: 21 }, 'logprobs'],
  [{ prompt: 'a', logprobs: true }, 'logprobs'],
  [{ prompt: 'a', echo: 'yes' }, 'echo'],
  [{ prompt: Array.from({ length: 1025 }, () => 'a') }, 'prompt'],
];

test.each(wrong)('fault %#', async (body, param) => {
  const { status, json } = await server.post(PATH, body);
  expect(json).toMatchObject({ error: { param } });
  expect(status).toBe(400);
});

test('more prompts than places are served one after the other; a full queue without a place of ours is a 429', async () => {
  const narrow = await startOpenAiServer({
    model,
    maxRequests: 2,
    answer: () => ({ tokens: tokensOf(model, answer) }),
  });
  const { status, json } = await narrow.post(PATH, { prompt: Array.from({ length: 9 }, () => '你好') });
  expect(status).toBe(200);
  expect(json.choices).toHaveLength(9);
  await narrow.close();
  const full = await startOpenAiServer({ model, maxRequests: 0 });
  const refused = await full.post(PATH, { prompt: ['你好', '再见'] });
  expect(refused.status).toBe(429);
  expect(refused.headers.get('retry-after')).toBe('1');
  await full.close();
});
