/** The Responses API, asked by OpenAI's client and by the AI SDK, whose default it is. */
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, jsonSchema, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { afterEach, expect, test } from 'vitest';
import {
  sparkLikeModel,
  startOpenAiServer,
  type TestServer,
  tokensOf,
} from '../../../tests/support/openai-server.js';

const model = sparkLikeModel();
let server: TestServer;
afterEach(() => server.close());

async function start(...texts: string[]): Promise<{ openai: OpenAI; ai: ReturnType<typeof createOpenAI> }> {
  let asked = 0;
  server = await startOpenAiServer({
    model,
    maxModelLength: 4096,
    answer: () => ({ tokens: tokensOf(model, texts[Math.min(asked++, texts.length - 1)] ?? '') }),
  });
  const options = { baseURL: `${server.url}/v1`, apiKey: 'administrator' };
  return { openai: new OpenAI({ ...options, maxRetries: 0 }), ai: createOpenAI(options) };
}
const call = '<tool_call>{"name": "weather", "arguments": {"city": "林"}}</tool_call>';

test("OpenAI's client: an answer, and the same as a stream", async () => {
  const { openai } = await start('Hello, world');
  const answer = await openai.responses.create({ model: 'spark', input: 'hi', instructions: 'Be short.' });
  expect(answer.output_text).toBe('Hello, world');
  expect(answer).toMatchObject({ status: 'completed', model: 'spark', incomplete_details: null });
  const stream = openai.responses.stream({ model: 'spark', input: 'hi' });
  const deltas: string[] = [];
  stream.on('response.output_text.delta', ({ delta }) => deltas.push(delta));
  const whole = await stream.finalResponse();
  expect(deltas.length).toBeGreaterThan(1);
  expect(deltas.join('')).toBe('Hello, world');
  expect(whole).toMatchObject({ status: 'completed', output: [{ content: [{ text: 'Hello, world' }] }] });
  const cut = await openai.responses.create({ model: 'spark', input: 'hi', max_output_tokens: 1 });
  expect(cut).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
});

test('the prompt is that of the same chat', async () => {
  const { openai } = await start('a');
  await openai.responses.create({
    model: 'spark',
    instructions: '',
    input: [{ role: 'user', content: [{ type: 'input_text', text: 'hi' }] }],
  });
  await server.post('/v1/chat/completions', { messages: [{ role: 'user', content: 'hi' }] });
  expect(server.engine.requests[0]?.promptIds).toEqual(server.engine.requests[1]?.promptIds);
});

test('the AI SDK: text, a stream, a tool that is called and answered', async () => {
  const { ai } = await start('Hello, world');
  expect((await generateText({ model: ai('spark'), prompt: 'hi' })).text).toBe('Hello, world');
  let streamed = '';
  for await (const piece of streamText({ model: ai('spark'), prompt: 'hi' }).textStream) streamed += piece;
  expect(streamed).toBe('Hello, world');
  await server.close();

  const again = await start(call, 'It is sunny.');
  const asked: unknown[] = [];
  const schema = jsonSchema<{ city: string }>({ type: 'object', properties: { city: { type: 'string' } } });
  const weather = tool({
    description: 'of a city',
    inputSchema: schema,
    execute: async (input) => {
      asked.push(input);
      return 'sunny';
    },
  });
  const result = await generateText({
    model: again.ai('spark'),
    prompt: 'hi',
    tools: { weather },
    stopWhen: ({ steps }) => steps.length === 2,
  });
  expect(asked).toEqual([{ city: '林' }]);
  expect(result.text).toBe('It is sunny.');
  expect(model.tokenizer.decode(server.engine.requests.at(-1)?.promptIds ?? [])).toContain('sunny');
});

test('a call streams, a form is a grammar', async () => {
  const { openai } = await start(call, '{"a":1}');
  const tools = [
    { type: 'function' as const, name: 'weather', parameters: { type: 'object' }, strict: false },
  ];
  const stream = openai.responses.stream({ model: 'spark', input: 'hi', tools });
  const whole = await stream.finalResponse();
  expect(whole.output).toMatchObject([
    { type: 'function_call', name: 'weather', arguments: '{"city": "林"}' },
  ]);
  const schema = { type: 'object', properties: { a: { type: 'integer' } } };
  await openai.responses.create({
    model: 'spark',
    input: 'hi',
    text: { format: { type: 'json_schema', name: 'x', schema } },
  });
  expect(server.engine.requests.at(-1)?.grammar).toEqual({ kind: 'json-schema', schema });
});

test('what needs kept answers is refused by name; a failing engine ends the stream with an error', async () => {
  const { openai } = await start('a');
  for (const more of [
    { previous_response_id: 'resp_1' },
    { background: true },
    { truncation: 'auto' as const },
  ])
    await expect(openai.responses.create({ model: 'spark', input: 'hi', ...more })).rejects.toMatchObject({
      status: 400,
      param: Object.keys(more)[0],
    });
  const image = { type: 'input_image' as const, image_url: 'data:', detail: 'auto' as const };
  await expect(
    openai.responses.create({ model: 'spark', input: [{ role: 'user', content: [image] }] }),
  ).rejects.toMatchObject({ status: 400 });
  server.engine.failNext = { error: new Error('broken'), afterEvents: 1 };
  await expect(openai.responses.stream({ model: 'spark', input: 'hi' }).finalResponse()).rejects.toThrow();
});
