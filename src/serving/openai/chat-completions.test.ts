import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Json,
  sparkLikeModel,
  startOpenAiServer,
  type TestServer,
  tokensOf,
} from '../../../tests/support/openai-server.js';

const PATH = '/v1/chat/completions';
const messages = [{ role: 'user', content: '你好' }];
const model = sparkLikeModel();
const answer = '你好，很高兴 see you';
let server: TestServer;

beforeAll(async () => {
  server = await startOpenAiServer({ model, answer: () => ({ tokens: tokensOf(model, answer) }) });
});
afterAll(() => server.close());

describe('an answer', () => {
  test('whole', async () => {
    const { status, json } = await server.post(PATH, { model: 'spark', messages });
    expect(status).toBe(200);
    const tokens = tokensOf(model, answer).length;
    expect(json).toMatchObject({
      id: expect.stringMatching(/^chatcmpl-[0-9a-f]{32}$/),
      object: 'chat.completion',
      model: 'spark',
      system_fingerprint: expect.stringMatching(/^fp_/),
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: answer },
          logprobs: null,
          finish_reason: 'stop',
          stop_reason: null,
        },
      ],
      usage: { completion_tokens: tokens, prompt_tokens_details: { cached_tokens: 0 } },
      timings: { predicted_n: tokens },
    });
    expect(json.choices[0].message).not.toHaveProperty('tool_calls');
    expect(json.usage.total_tokens).toBe(json.usage.prompt_tokens + tokens);
    expect(model.tokenizer.decode(server.engine.requests.at(-1)?.promptIds ?? [])).toBe(
      '<User> 你好<end><Bot> ',
    );
  });

  test('as a stream: role, content, finish, usage, the end', async () => {
    const events = await server.stream(PATH, {
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(events.at(-1)).toBe('[DONE]');
    const chunks = events.slice(0, -1);
    expect(new Set(chunks.map(({ id, created, model }: Json) => `${id} ${created} ${model}`)).size).toBe(1);
    expect(chunks[0].choices).toMatchObject([
      { index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null },
    ]);
    expect(chunks.slice(0, -1).every(({ usage }: Json) => usage === null)).toBe(true);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: expect.any(Number) } });
    expect(chunks.at(-2)).toMatchObject({ choices: [{ delta: {}, finish_reason: 'stop' }], timings: {} });
    const text = chunks
      .slice(1, -2)
      .map(({ choices }: Json) => choices[0].delta.content)
      .join('');
    expect(text).toBe(answer);
  });

  test('several choices interleave by index, with one seed', async () => {
    const events = await server.stream(PATH, { messages, stream: true, n: 3, seed: 5 });
    for (const index of [0, 1, 2]) {
      const own = events.filter((event: Json) => event !== '[DONE]' && event.choices[0].index === index);
      expect(own.map(({ choices }: Json) => choices[0].delta.content ?? '').join('')).toBe(answer);
      expect(own.at(-1).choices[0].finish_reason).toBe('stop');
    }
    const requests = server.engine.requests.slice(-3);
    expect(requests.map(({ sequenceIndex, sampling }) => [sequenceIndex, sampling?.seed])).toEqual([
      [0, 5],
      [1, 5],
      [2, 5],
    ]);
  });

  test('usage of each choice with every chunk, where asked for', async () => {
    const events = await server.stream(PATH, {
      messages,
      stream: true,
      stream_options: { include_usage: true, continuous_usage_stats: true },
    });
    const counts = events.slice(0, -2).map(({ usage }: Json) => usage.completion_tokens);
    expect(counts[0]).toBe(1);
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
  });

  test('log-probabilities: text, bytes and others of every token', async () => {
    const { json } = await server.post(PATH, { messages, logprobs: true, top_logprobs: 2 });
    const { content } = json.choices[0].logprobs;
    expect(content).toHaveLength(json.usage.completion_tokens);
    expect(
      content
        .slice(0, -1)
        .map(({ token }: Json) => token)
        .join(''),
    ).toContain(String.raw`很bytes:\xe9bytes:\xabbytes:\x98`);
    const bytes = Buffer.from(content.slice(0, -1).flatMap((entry: Json) => entry.bytes));
    expect(bytes.toString('utf8').trimStart()).toBe(answer);
    expect(content[0]).toMatchObject({
      logprob: -0.125,
      top_logprobs: [{ logprob: -0.125 }, { logprob: -0.25 }],
    });
    const streamed = await server.stream(PATH, { messages, logprobs: true, top_logprobs: 2, stream: true });
    const all = streamed.flatMap((event: Json) => event.choices?.[0]?.logprobs?.content ?? []);
    expect(all).toEqual(content);
  });

  test('ids, where asked for', async () => {
    const { json } = await server.post(PATH, {
      messages,
      return_token_ids: true,
      return_tokens_as_token_ids: true,
      logprobs: true,
    });
    const ids = tokensOf(model, answer).map(({ id }) => id);
    expect(json.choices[0].token_ids).toEqual(ids);
    expect(json.choices[0].logprobs.content[0].token).toBe(`token_id:${ids[0]}`);
    expect(json.prompt_token_ids).toEqual(server.engine.requests.at(-1)?.promptIds);
    const events = await server.stream(PATH, { messages, return_token_ids: true, stream: true });
    expect(events.flatMap((event: Json) => event.choices?.[0]?.token_ids ?? [])).toEqual(ids);
  });

  test('prompt_logprobs as vLLM has them', async () => {
    const { json } = await server.post(PATH, { messages, prompt_logprobs: 2 });
    expect(json.prompt_logprobs).toHaveLength(json.usage.prompt_tokens);
    expect(json.prompt_logprobs[0]).toBeNull();
    expect(Object.values(json.prompt_logprobs[1])[0]).toMatchObject({ logprob: -0.125, rank: 1 });
  });
});

test('every field reaches the engine', async () => {
  const end = model.stopTokenIds;
  await server.post(PATH, {
    messages,
    max_tokens: 9,
    max_completion_tokens: 7,
    temperature: 0.5,
    top_p: 0.9,
    top_k: -1,
    min_p: 0.1,
    presence_penalty: 0.1,
    frequency_penalty: 0.2,
    repetition_penalty: 1.2,
    logit_bias: { 7: -100 },
    seed: 2 ** 60,
    stop: 'x',
    stop_token_ids: [9],
    include_stop_str_in_output: true,
    min_tokens: 2,
    bad_words: ['坏'],
    allowed_token_ids: [7, 9],
    skip_special_tokens: false,
    priority: -1,
    cache_salt: 's',
    user: 'u',
    truncate_prompt_tokens: 3,
  });
  const request = server.engine.requests.at(-1);
  expect(request).toMatchObject({
    maxNewTokens: 7,
    sampling: {
      temperature: 0.5,
      topP: 0.9,
      topK: 0,
      minP: 0.1,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      repetitionPenalty: 1.2,
      logitBias: new Map([[7, -100]]),
      seed: 2n ** 60n,
    },
    stopStrings: ['x'],
    stopTokenIds: [...end, 9],
    includeStopString: true,
    minNewTokens: 2,
    forbiddenSequences: [expect.any(Array), expect.any(Array)],
    allowedTokenIds: [7, 9],
    skipSpecialTokens: false,
    priority: -1,
    // With the name of the key: what one has asked is nothing to another.
    cacheSalt: '["admin-1","s"]',
    vocabLimit: model.tokenizer.vocabSize,
  });
  expect(request?.promptIds).toHaveLength(3);
  await server.post(PATH, { messages, ignore_eos: true, spark_penalty: { value: 1.5, increase: 0.2 } });
  expect(server.engine.requests.at(-1)).toMatchObject({
    stopTokenIds: [],
    sampling: {
      temperature: 1,
      repetitionPenalty: 1.5,
      repetitionPenaltyKind: 'subtractive',
      repetitionPenaltyIncrease: 0.2,
    },
  });
});

test('null is absent, unknown fields are accepted', async () => {
  const nothing = Object.fromEntries(
    [
      'temperature',
      'stop',
      'n',
      'seed',
      'tools',
      'stream',
      'stream_options',
      'logit_bias',
      'max_tokens',
      'response_format',
    ].map((field) => [field, null]),
  );
  const { status } = await server.post(PATH, { messages, ...nothing, of_the_future: 1 });
  expect(status).toBe(200);
});

const wrong: [body: object, param: string][] = [
  [{}, 'messages'],
  [{ messages: [] }, 'messages'],
  [{ messages: 'hello' }, 'messages'],
  [{ messages: [{ role: 'user', content: 1 }] }, 'messages.0.content'],
  [{ messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }, 'messages.0.content.0.type'],
  [{ messages: [{ role: 'clown', content: '' }] }, 'messages.0.role'],
  [{ messages, temperature: 'hot' }, 'temperature'],
  [{ messages, temperature: -1 }, 'temperature'],
  [{ messages, top_p: 1.5 }, 'top_p'],
  [{ messages, top_k: 1.5 }, 'top_k'],
  [{ messages, n: 17 }, 'n'],
  [{ messages, n: 0 }, 'n'],
  [{ messages, presence_penalty: 3 }, 'presence_penalty'],
  [{ messages, seed: 0.5 }, 'seed'],
  [{ messages, stop: [''] }, 'stop.0'],
  [{ messages, stop: Array.from({ length: 17 }, () => 'x') }, 'stop'],
  [{ messages, max_tokens: 0 }, 'max_tokens'],
  [{ messages, max_tokens: '5' }, 'max_tokens'],
  [{ messages, top_logprobs: 2 }, 'top_logprobs'],
  [{ messages, logprobs: true, top_logprobs: 21 }, 'top_logprobs'],
  [{ messages, logit_bias: { x: 1 } }, 'logit_bias.x'],
  [{ messages, logit_bias: { 7: 101 } }, 'logit_bias.7'],
  [{ messages, logit_bias: { 99999: 1 } }, 'logit_bias.99999'],
  [{ messages, stop_token_ids: [99999] }, 'stop_token_ids.0'],
  [{ messages, allowed_token_ids: [] }, 'allowed_token_ids'],
  [{ messages, min_tokens: 9, max_tokens: 8 }, 'min_tokens'],
  [{ messages, stream_options: { include_usage: true } }, 'stream_options'],
  [{ messages, stream: true, prompt_logprobs: 1 }, 'prompt_logprobs'],
  [{ messages, stream: true, use_beam_search: true }, 'use_beam_search'],
  [{ messages, best_of: 2 }, 'best_of'],
  [{ messages, spark_penalty: { value: 1.1 }, repetition_penalty: 1.1 }, 'spark_penalty'],
  [{ messages, cache_salt: '' }, 'cache_salt'],
  [{ messages, tools: [] }, 'tools'],
  [{ messages, tool_choice: 'required' }, 'tool_choice'],
  [{ messages, response_format: { type: 'xml' } }, 'response_format.type'],
  [
    { messages, response_format: { type: 'json_schema', json_schema: { name: 'x' } } },
    'response_format.json_schema.schema',
  ],
  [{ messages, structured_outputs: { regex: 'a', choice: ['b'] } }, 'structured_outputs'],
  [{ messages, structured_outputs: { json: '{' } }, 'structured_outputs.json'],
  [{ messages, structured_outputs: { regex: 'a'.repeat(70_000) } }, 'structured_outputs'],
  [{ messages, chat_template: '{{ messages }}' }, 'chat_template'],
  [{ messages, guided_json: { type: 'object' } }, 'guided_json'],
  [{ messages, guided_choice: ['a', 'b'] }, 'guided_choice'],
  [{ messages, functions: [] }, 'functions'],
];

test.each(wrong)('%j is refused', async (body, param) => {
  const { status, json } = await server.post(PATH, body);
  expect(json).toMatchObject({ error: { type: 'BadRequestError', param } });
  expect(status).toBe(400);
  expect(json.error.message).toContain(param.split('.')[0]);
});

test('a model that is not there is a 404, a body that is no object a 400', async () => {
  expect(await server.post(PATH, { model: 'gpt', messages })).toMatchObject({
    status: 404,
    json: {
      error: {
        message: expect.stringMatching(/^The model `gpt` does not exist\. There is `.+`\.$/),
        type: 'NotFoundError',
        param: 'model',
      },
    },
  });
  expect(await server.post(PATH, [1])).toMatchObject({ status: 400, json: { error: { param: null } } });
});

test('what does not fit is refused with both numbers; a text far too long before its tokens are found', async () => {
  const fits = await server.post(PATH, { messages, max_tokens: 128 });
  expect(fits).toMatchObject({ status: 400, json: { error: { code: 'context_length_exceeded' } } });
  expect(fits.json.error.message).toMatch(
    /maximum context length is 128 tokens.*requested \d+ tokens.* 128 in the/,
  );
  const long = await server.post(PATH, { messages: [{ role: 'user', content: '啊'.repeat(100_000) }] });
  expect(long).toMatchObject({ status: 400, json: { error: { code: 'context_length_exceeded' } } });
  expect(long.json.error.message).toContain('at least');
  await server.post(PATH, { messages });
  const { promptIds, maxNewTokens } = server.engine.requests.at(-1) ?? { promptIds: [], maxNewTokens: 0 };
  expect(promptIds.length + maxNewTokens).toBe(128);
});

test('beams come at the end, best first', async () => {
  const { json } = await server.post(PATH, {
    messages,
    use_beam_search: true,
    n: 1,
    best_of: 4,
    length_penalty: 0.5,
  });
  expect(server.engine.requests.at(-1)).toMatchObject({ beams: { count: 4, lengthPenalty: 0.5 } });
  expect(json.choices).toHaveLength(1);
});

test('a failure before the first token has its status, one behind it comes as an event', async () => {
  server.engine.failNext = { error: new Error('broken'), afterEvents: 0 };
  expect(await server.post(PATH, { messages, stream: true })).toMatchObject({
    status: 500,
    json: { error: { type: 'InternalServerError' } },
  });
  server.engine.failNext = { error: new Error('broken'), afterEvents: 2 };
  const events = await server.stream(PATH, { messages, stream: true });
  expect(events.slice(-2)).toMatchObject([{ error: { type: 'InternalServerError' } }, '[DONE]']);
  expect(server.engine.running).toBe(0);
});
