/** The smaller routes, templates, cancelling, and bodies of every kind. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Json,
  sparkLikeModel,
  startOpenAiServer,
  type TestServer,
  tokensOf,
} from '../../../tests/support/openai-server.js';

const model = sparkLikeModel();
const messages = [{ role: 'user', content: '你好' }];
let server: TestServer;

beforeAll(async () => {
  server = await startOpenAiServer({ model, answer: () => ({ tokens: tokensOf(model, '很高兴') }) });
});
afterAll(() => server.close());

test('the model, its adapters, one of them; adapters serve as models', async () => {
  const { json } = await server.get('/v1/models');
  expect(json).toMatchObject({
    object: 'list',
    data: [
      {
        id: 'spark',
        object: 'model',
        parent: null,
        max_model_len: 128,
        created: 1_700_000_000,
        permission: [],
      },
    ],
  });
  const load = await server.post('/v1/load_lora_adapter', {
    lora_name: 'org/persona',
    lora_path: '/adapters/p',
  });
  expect(load).toMatchObject({
    status: 200,
    json: "Success: LoRA adapter 'org/persona' added successfully.",
  });
  const again = await server.post('/v1/load_lora_adapter', {
    lora_name: 'org/persona',
    lora_path: '/adapters/p',
  });
  expect(again).toMatchObject({ status: 400, json: { error: { param: 'lora_name' } } });
  expect((await server.get('/v1/models')).json.data[1]).toMatchObject({ id: 'org/persona', parent: 'spark' });
  expect((await server.get('/v1/models/org/persona')).json).toMatchObject({ id: 'org/persona' });
  expect((await server.get('/v1/models/spark')).json).toMatchObject({ id: 'spark' });
  expect(await server.get('/v1/models/other')).toMatchObject({
    status: 404,
    json: { error: { type: 'NotFoundError' } },
  });
  const answer = await server.post('/v1/chat/completions', { model: 'org/persona', messages });
  expect(answer.json.model).toBe('org/persona');
  expect(server.engine.requests.at(-1)?.adapter).toBe('org/persona');
  expect((await server.post('/v1/unload_lora_adapter', { lora_name: 'org/persona' })).status).toBe(200);
  expect((await server.post('/v1/unload_lora_adapter', { lora_name: 'org/persona' })).status).toBe(404);
  for (const lora_name of ['spark', '', '../x\n', 'a'.repeat(129)])
    expect((await server.post('/v1/load_lora_adapter', { lora_name, lora_path: 'p' })).status).toBe(400);
});

test('texts and conversations to ids and back', async () => {
  const { json } = await server.post('/tokenize', {
    prompt: '你好',
    add_special_tokens: false,
    return_token_strs: true,
  });
  const ids = model.tokenizer.encode('你好');
  expect(json).toEqual({ count: ids.length, max_model_len: 128, tokens: ids, token_strs: ['你', '好'] });
  expect((await server.post('/detokenize', { tokens: ids })).json).toEqual({ prompt: '你好' });
  const chat = await server.post('/tokenize', { messages });
  expect((await server.post('/detokenize', { tokens: chat.json.tokens })).json.prompt).toBe(
    '<User> 你好<end><Bot> ',
  );
  const begun = {
    messages: [...messages, { role: 'assistant', content: '很' }],
    continue_final_message: true,
  };
  const { tokens } = (await server.post('/tokenize', begun)).json;
  expect(model.tokenizer.decode(tokens)).toMatch(/<Bot> +很$/);
  expect((await server.post('/tokenize', {})).json.error.param).toBe('prompt');
  expect((await server.post('/detokenize', { tokens: [99999] })).json.error.param).toBe('tokens.0');
  expect((await server.get('/tokenizer_info')).json).toMatchObject({
    eos_token: expect.any(String),
    vocab_size: model.tokenizer.vocabSize,
    model_max_length: 128,
  });
});

test('what a page needs to know', async () => {
  expect((await server.get('/props')).json).toMatchObject({
    default_generation_settings: { n_ctx: 128, params: { temperature: 1 } },
    model_alias: 'spark',
    family: 'spark',
    can_chat: true,
  });
});

test("the model's defaults hold where a request says nothing", async () => {
  const defaults = { temperature: 0.3, topK: 5, topP: 0.85, repetitionPenalty: 1.02, eosTokenIds: [7] };
  const other = await startOpenAiServer({ model: sparkLikeModel({ defaults }) });
  await other.post('/v1/chat/completions', { messages });
  expect(other.engine.requests.at(-1)?.sampling).toEqual({
    temperature: 0.3,
    topK: 5,
    topP: 0.85,
    repetitionPenalty: 1.02,
  });
  expect(other.engine.requests.at(-1)?.stopTokenIds).toContain(7);
  await other.post('/v1/chat/completions', { messages, temperature: 0, top_k: 0, top_p: 1 });
  expect(other.engine.requests.at(-1)?.sampling).toMatchObject({ temperature: 0, topK: 0, topP: 1 });
  await other.close();
});

test('a tokenizer without the tokens of the chat format continues texts, and says why it cannot chat', async () => {
  const { architecture, tokenizer } = model;
  const chat: typeof architecture.chat = {
    ...architecture.chat,
    stopTokenIds: (own) => architecture.chat.stopTokenIds({ ...own, tokenToId: () => undefined }),
  };
  const other = await startOpenAiServer({
    model: sparkLikeModel({ architecture: { ...architecture, chat }, tokenizer }),
  });
  expect((await other.post('/v1/completions', { prompt: 'a' })).status).toBe(200);
  const refused = await other.post('/v1/chat/completions', { messages });
  expect(refused).toMatchObject({
    status: 400,
    json: { error: { message: expect.stringContaining('<end>') } },
  });
  await other.close();
});

test('templates: of the server, of a request where allowed; hostile ones end', async () => {
  const chatTemplate =
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[{{ who or 'assistant' }}]{% endif %}";
  const other = await startOpenAiServer({ model, routes: { chatTemplate, allowChatTemplate: true } });
  const prompt = async (body: object): Promise<string> => {
    const { json } = await other.post('/tokenize', { messages, ...body });
    return json.tokens === undefined ? JSON.stringify(json) : model.tokenizer.decode(json.tokens);
  };
  expect(await prompt({})).toBe('[user]你好[assistant]');
  expect(await prompt({ chat_template_kwargs: { who: 'bot' } })).toBe('[user]你好[bot]');
  expect(await prompt({ add_generation_prompt: false })).toBe('[user]你好');
  expect(await prompt({ chat_template: '{{ messages|length }}' })).toBe('1');
  // The arguments of a call reach the template as an object.
  const chat_template =
    '{% for k, v in messages[0].tool_calls[0].function.arguments|items %}{{ k }}={{ v }};{% endfor %}';
  const calling = (args: string) => [
    { role: 'assistant', tool_calls: [{ function: { name: 'f', arguments: args } }] },
  ];
  expect(await prompt({ chat_template, messages: calling('{"a": 1, "b": "x"}') })).toBe('a=1;b=x;');
  expect(await prompt({ chat_template: `.${chat_template}`, messages: calling('') })).toBe('.');
  for (const wrong of ['{"a"', '[1]', '1']) {
    const { status, json } = await other.post('/tokenize', { messages: calling(wrong), chat_template });
    expect([status, json.error?.param]).toEqual([400, 'messages']);
    expect(json.error?.message).toContain('messages[0].tool_calls[0].function.arguments');
  }
  for (const unreadable of ['{% for', '{{ 1|nothing }}', '{{ 1 is nothing }}']) {
    const { status, json } = await other.post('/tokenize', { messages, chat_template: unreadable });
    expect([status, json.error?.param]).toEqual([400, 'chat_template']);
    expect(json.error?.message).toContain('line 1');
  }
  const raised = await other.post('/tokenize', { messages, chat_template: "{{ raise_exception('no') }}" });
  expect([raised.status, raised.json.error?.message]).toEqual([
    400,
    'The chat template failed: no (line 1).',
  ]);
  for (const chat_template of [
    '{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}',
    '{{ messages.constructor.constructor("return process")().exit() }}',
  ]) {
    const { status, json } = await other.post('/tokenize', { messages, chat_template });
    expect([status, json.error?.param]).toEqual([422, 'chat_template']);
  }
  expect(await prompt({})).toBe('[user]你好[assistant]');
  await other.close();
});

test('a client that goes away cancels all of its choices', async () => {
  const slow = await startOpenAiServer({
    model,
    tokenDelay: 50,
    answer: () => ({ tokens: tokensOf(model, '很高兴'.repeat(20)) }),
  });
  for (const stream of [true, false]) {
    const controller = new AbortController();
    const answer = fetch(`${slow.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ messages, n: 3, stream }),
      signal: controller.signal,
    }).then((response) => response.text());
    await expect.poll(() => slow.engine.running).toBe(3);
    await new Promise((resolve) => setTimeout(resolve, 120));
    controller.abort();
    await expect(answer).rejects.toThrow();
    await expect.poll(() => slow.engine.running).toBe(0);
  }
  expect(slow.engine.cancelled).toBe(6);
  await slow.close();
});

test('a client that does not read makes its sequence pause', async () => {
  const text = 'x'.repeat(20_000);
  const tokens = Array.from({ length: 4000 }, (_, id) => ({ id: 10 + (id % 800), text }));
  const endless = await startOpenAiServer({ model, maxModelLength: 5000, answer: () => ({ tokens }) });
  const response = await fetch(`${endless.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages, stream: true }),
  });
  const generated = (): number => endless.engine.stats.generatedTokens;
  let before = -1;
  await expect
    .poll(
      () => {
        const isStill = generated() === before;
        before = generated();
        return isStill;
      },
      { interval: 200, timeout: 10_000 },
    )
    .toBe(true);
  // Of 80 MB: what the sockets and the client's stream hold.
  expect(before * text.length).toBeLessThan(20e6);
  await response.body?.cancel();
  await expect.poll(() => endless.engine.running).toBe(0);
  await endless.close();
});

test('while the engine is not there: 503 with a time to come back', async () => {
  const other = await startOpenAiServer({ model });
  other.engine.state = { kind: 'loading', detail: 'Loading model' };
  for (const path of ['/v1/chat/completions', '/v1/completions']) {
    const { status, headers, json } = await other.post(path, { messages, prompt: 'a', max_tokens: 9999 });
    expect([status, headers.get('retry-after'), json.error.message]).toEqual([503, '5', 'Loading model']);
  }
  await other.close();
});

test('the end of a grammar ends the answer, ignore_eos or not', async () => {
  const body = { messages, ignore_eos: true, structured_outputs: { choice: ['a', 'b'] } };
  await server.post('/v1/chat/completions', body);
  expect(server.engine.requests.at(-1)).toMatchObject({
    stopTokenIds: model.stopTokenIds,
    grammar: { kind: 'choice', choices: ['a', 'b'] },
  });
});

test('a failing choice cancels the others', async () => {
  const slow = await startOpenAiServer({
    model,
    tokenDelay: 20,
    answer: () => ({ tokens: tokensOf(model, '很高兴'.repeat(9)) }),
  });
  slow.engine.failNext = { error: new Error('broken'), afterEvents: 1 };
  expect((await slow.post('/v1/completions', { prompt: ['a', 'b', 'c'] })).status).toBe(500);
  expect(slow.engine.running).toBe(0);
  await slow.close();
});

/** Values that come near to what the fields take. */
const near: fc.Arbitrary<Json> = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(
    null,
    true,
    false,
    0,
    1,
    -1,
    2,
    0.5,
    2 ** 40,
    1e300,
    '',
    'x',
    '__proto__',
    'json_object',
    'text',
    'auto',
  ),
  fc.array(fc.integer({ min: -1, max: 1000 }), { maxLength: 3 }),
  fc.array(fc.string(), { maxLength: 3 }),
  fc.record({ type: fc.constantFrom('text', 'json_object', 'json_schema', 'function') }),
  fc.dictionary(
    fc.oneof(fc.integer({ min: 0, max: 999 }).map(String), fc.string()),
    fc.double({ min: -100, max: 100 }),
  ),
);
const someMessages = fc.array(
  fc.record({
    role: fc.constantFrom('system', 'user', 'assistant', 'tool', 'developer'),
    content: fc.oneof(fc.string(), near),
  }),
  { maxLength: 4 },
);
const fieldNames = [
  'model temperature top_p top_k min_p presence_penalty frequency_penalty repetition_penalty spark_penalty logit_bias seed n',
  'use_beam_search best_of length_penalty early_stopping min_tokens stop stop_token_ids include_stop_str_in_output ignore_eos',
  'bad_words allowed_token_ids response_format structured_outputs skip_special_tokens prompt_logprobs return_token_ids stream',
  'return_tokens_as_token_ids stream_options add_special_tokens truncate_prompt_tokens priority cache_salt user request_id',
  'tools tool_choice parallel_tool_calls add_generation_prompt continue_final_message chat_template chat_template_kwargs',
  'max_completion_tokens max_tokens logprobs top_logprobs echo suffix unknown',
].flatMap((line) => line.split(' '));
const someFields = fc
  .array(fc.tuple(fc.constantFrom(...fieldNames), near), { maxLength: 5 })
  .map((entries) => Object.fromEntries(entries));

test('any body is answered or refused, never a fault of ours', async () => {
  const bodies = fc.tuple(
    fc.oneof(someMessages, near),
    fc.oneof(near, fc.constant('你好')),
    someFields,
    fc.boolean(),
  );
  let answered = 0;
  await fc.assert(
    fc.asyncProperty(bodies, async ([chat, prompt, fields, isChat]) => {
      const path = isChat ? '/v1/chat/completions' : '/v1/completions';
      const before = server.engine.requests.length;
      const { status, json } = await server.post(
        path,
        isChat ? { messages: chat, ...fields } : { prompt, ...fields },
      );
      expect([200, 400, 404]).toContain(status);
      if (status === 200) answered += 1;
      else expect(json.error.message).not.toBe('');
      for (const request of server.engine.requests.slice(before)) {
        expect(request.promptIds.length).toBeGreaterThan(0);
        expect(request.promptIds.length + request.maxNewTokens).toBeLessThanOrEqual(128);
      }
    }),
    { numRuns: 400 },
  );
  expect(answered).toBeGreaterThan(5);
  expect(server.engine.running).toBe(0);
});
