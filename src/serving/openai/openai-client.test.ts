/** The `openai` npm client against our routes: what its users write must work as it stands. */
import OpenAI, { APIError, BadRequestError, NotFoundError, RateLimitError } from 'openai';
import { zodFunction, zodResponseFormat } from 'openai/helpers/zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import {
  sparkLikeModel,
  startOpenAiServer,
  type TestServer,
  tokensOf,
} from '../../../tests/support/openai-server.js';

const model = sparkLikeModel();
const question = { role: 'user', content: '你好' } as const;
let text = '很高兴';
let server: TestServer;
let client: OpenAI;

beforeAll(async () => {
  server = await startOpenAiServer({
    model,
    maxModelLength: 2048,
    answer: () => ({ tokens: tokensOf(model, text) }),
  });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none-needed', maxRetries: 0 });
});
afterAll(() => server.close());

test('chat, whole and streamed', async () => {
  const answer = await client.chat.completions.create({ model: 'spark', messages: [question] });
  expect(answer.choices[0]?.message.content).toBe(text);
  expect(answer.usage?.total_tokens).toBeGreaterThan(1);
  const stream = await client.chat.completions.create({
    model: 'spark',
    messages: [question],
    stream: true,
    stream_options: { include_usage: true },
  });
  let streamed = '';
  let total = 0;
  for await (const chunk of stream) {
    streamed += chunk.choices[0]?.delta.content ?? '';
    total = chunk.usage?.total_tokens ?? total;
  }
  expect([streamed, total]).toEqual([text, answer.usage?.total_tokens]);
});

test('the stream helper: deltas, snapshot, usage', async () => {
  const runner = client.chat.completions.stream({
    model: 'spark',
    messages: [question],
    logprobs: true,
    n: 2,
  });
  const deltas: string[] = [];
  runner.on('content', (delta) => deltas.push(delta));
  const completion = await runner.finalChatCompletion();
  expect(completion.choices.map(({ message }) => message.content)).toEqual([text, text]);
  expect(deltas.length).toBeGreaterThan(0);
  expect(completion.choices[0]?.logprobs?.content?.length).toBeGreaterThan(1);
});

test('parse: a schema made with zod, its answer as a value', async () => {
  text = '{"city":"北京","days":3}';
  const schema = z.object({ city: z.string(), days: z.number() });
  const answer = await client.chat.completions.parse({
    model: 'spark',
    messages: [question],
    response_format: zodResponseFormat(schema, 'trip'),
  });
  expect(answer.choices[0]?.message.parsed).toEqual({ city: '北京', days: 3 });
  expect(server.engine.requests.at(-1)?.grammar).toMatchObject({
    kind: 'json-schema',
    schema: { type: 'object', required: ['city', 'days'] },
  });
  text = '很高兴';
});

test('tools, whole, streamed and parsed', async () => {
  text = '<tool_call>{"name": "weather", "arguments": {"city": "北京"}}</tool_call>';
  const tools = [zodFunction({ name: 'weather', parameters: z.object({ city: z.string() }) })];
  const request = { model: 'spark', messages: [question], tools };
  const answer = await client.chat.completions.parse(request);
  const call = answer.choices[0]?.message.tool_calls?.[0];
  expect(call?.function.parsed_arguments).toEqual({ city: '北京' });
  expect(answer.choices[0]?.finish_reason).toBe('tool_calls');
  const final = await client.chat.completions.stream(request).finalChatCompletion();
  expect(final.choices[0]?.message.tool_calls?.[0]).toMatchObject({
    type: 'function',
    function: { name: 'weather', arguments: '{"city": "北京"}' },
  });
  text = '很高兴';
});

test('runTools calls the function and gives its result back', async () => {
  const asked: string[] = [];
  text = '<tool_call>{"name": "weather", "arguments": {"city": "北京"}}</tool_call>';
  const runner = client.chat.completions.runTools({
    model: 'spark',
    messages: [question],
    tools: [
      {
        type: 'function',
        function: {
          name: 'weather',
          description: 'weather',
          parse: (json: string) => z.object({ city: z.string() }).parse(JSON.parse(json)),
          function: ({ city }: { city: string }) => {
            asked.push(city);
            text = '晴天';
            return 'sunny';
          },
          parameters: { type: 'object', properties: { city: { type: 'string' } } },
        },
      },
    ],
  });
  expect(await runner.finalContent()).toBe('晴天');
  expect(asked).toEqual(['北京']);
  const prompt = model.tokenizer.decode(server.engine.requests.at(-1)?.promptIds ?? []);
  expect(prompt).toContain('<tool_response>\nsunny\n</tool_response>');
  text = '很高兴';
});

test('completions, whole, of several prompts, streamed', async () => {
  const answer = await client.completions.create({
    model: 'spark',
    prompt: ['a', 'b'],
    echo: true,
    logprobs: 1,
  });
  expect(answer.choices.map((choice) => choice.text)).toEqual([`a${text}`, `b${text}`]);
  let streamed = '';
  for await (const chunk of await client.completions.create({ model: 'spark', prompt: 'a', stream: true }))
    streamed += chunk.choices[0]?.text ?? '';
  expect(streamed).toBe(text);
});

test('models', async () => {
  const ids: string[] = [];
  for await (const { id } of client.models.list()) ids.push(id);
  expect(ids).toEqual(['spark']);
  expect(await client.models.retrieve('spark')).toMatchObject({ id: 'spark', object: 'model' });
});

test('errors have the classes that the client gives to their status', async () => {
  const chat = client.chat.completions;
  await expect(chat.create({ model: 'gpt', messages: [question] })).rejects.toThrow(NotFoundError);
  await expect(chat.create({ model: 'spark', messages: [question], temperature: -1 })).rejects.toThrow(
    BadRequestError,
  );
  const long = await chat
    .create({ model: 'spark', messages: [question], max_tokens: 5000 })
    .catch((error) => error);
  expect(long).toMatchObject({ status: 400, code: 'context_length_exceeded', param: 'messages' });
  server.engine.failNext = { error: new Error('broken'), afterEvents: 2 };
  const stream = await chat.create({ model: 'spark', messages: [question], stream: true });
  await expect(
    (async () => {
      for await (const _ of stream);
    })(),
  ).rejects.toThrow(APIError);
  const full = await startOpenAiServer({ model, maxRequests: 0 });
  const busy = new OpenAI({ baseURL: `${full.url}/v1`, apiKey: 'x', maxRetries: 0 });
  await expect(busy.chat.completions.create({ model: 'spark', messages: [question] })).rejects.toThrow(
    RateLimitError,
  );
  await full.close();
});

test('leaving a stream ends the work', async () => {
  const slow = await startOpenAiServer({
    model,
    tokenDelay: 30,
    answer: () => ({ tokens: tokensOf(model, text.repeat(20)) }),
  });
  const other = new OpenAI({ baseURL: `${slow.url}/v1`, apiKey: 'x' });
  const stream = await other.chat.completions.create({ model: 'spark', messages: [question], stream: true });
  let chunks = 0;
  for await (const _ of stream) if (++chunks === 3) break;
  await expect.poll(() => slow.engine.running).toBe(0);
  expect(slow.engine.cancelled).toBe(1);
  await slow.close();
});
