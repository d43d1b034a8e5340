/** Anthropic's Messages API, asked by Anthropic's own client. */
import Anthropic from '@anthropic-ai/sdk';
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

async function start(text: string, more: object = {}): Promise<Anthropic> {
  server = await startOpenAiServer({
    model,
    maxModelLength: 4096,
    answer: () => ({ tokens: tokensOf(model, text), ...more }),
  });
  return new Anthropic({ baseURL: server.url, apiKey: 'administrator', maxRetries: 0 });
}
const tools = [
  { name: 'weather', description: 'of a city', input_schema: { type: 'object' as const, properties: {} } },
];
const call = '<tool_call>{"name": "weather", "arguments": {"city": "林"}}</tool_call>';
const question = { model: 'spark', max_tokens: 64, messages: [{ role: 'user' as const, content: 'hi' }] };

test('an answer, and the same as a stream', async () => {
  const client = await start('Hello, world');
  const answer = await client.messages.create({ ...question, system: 'Be short.' });
  expect(answer).toMatchObject({
    type: 'message',
    role: 'assistant',
    model: 'spark',
    content: [{ type: 'text', text: 'Hello, world' }],
    stop_reason: 'end_turn',
    stop_sequence: null,
  });
  expect(answer.usage.output_tokens).toBeGreaterThan(1);
  const stream = client.messages.stream({ ...question, system: 'Be short.' });
  const texts: string[] = [];
  stream.on('text', (text) => texts.push(text));
  const whole = await stream.finalMessage();
  expect(texts.length).toBeGreaterThan(1);
  expect(texts.join('')).toBe('Hello, world');
  expect(whole).toMatchObject({ content: answer.content, stop_reason: 'end_turn', usage: answer.usage });
});

test('the prompt is that of the same chat, blocks and empty system texts too', async () => {
  const client = await start('a');
  await client.messages.create({
    ...question,
    system: '',
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'h' },
          { type: 'text', text: 'i' },
        ],
      },
    ],
  });
  await server.post('/v1/chat/completions', { messages: [{ role: 'user', content: 'hi' }] });
  expect(server.engine.requests[0]?.promptIds).toEqual(server.engine.requests[1]?.promptIds);
  const { input_tokens } = await client.messages.countTokens({ model: 'spark', messages: question.messages });
  expect(input_tokens).toBe(server.engine.requests[0]?.promptIds.length);
});

test('tools: a call whole and streamed, and its result in the history', async () => {
  const client = await start(call);
  const answer = await client.messages.create({ ...question, tools });
  const wanted = { type: 'tool_use', name: 'weather', input: { city: '林' } };
  expect(answer).toMatchObject({ content: [wanted], stop_reason: 'tool_use' });
  const streamed = await client.messages.stream({ ...question, tools }).finalMessage();
  expect(streamed).toMatchObject({ content: [wanted], stop_reason: 'tool_use' });
  const [used] = answer.content;
  if (used?.type !== 'tool_use') throw new Error('no call');
  await client.messages.create({
    ...question,
    tools,
    messages: [
      ...question.messages,
      { role: 'assistant', content: answer.content },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: used.id, content: 'sunny' }] },
    ],
  });
  const prompt = model.tokenizer.decode(server.engine.requests.at(-1)?.promptIds ?? []);
  expect(prompt).toContain('sunny');
  expect(prompt).toContain('"city"');
});

test('ends: a stop sequence, the length', async () => {
  const client = await start('Hello', { stopReason: 'X', finishReason: 'stop' });
  expect(await client.messages.create({ ...question, stop_sequences: ['X'] })).toMatchObject({
    stop_reason: 'stop_sequence',
    stop_sequence: 'X',
  });
  await server.close();
  const other = await start('Hello');
  expect(await other.messages.create({ ...question, max_tokens: 1 })).toMatchObject({
    stop_reason: 'max_tokens',
  });
});

test("errors are Anthropic's", async () => {
  const client = await start('a');
  await expect(client.messages.create({ ...question, model: 'other' })).rejects.toThrow(
    Anthropic.NotFoundError,
  );
  await expect(client.messages.create({ ...question, max_tokens: 0 })).rejects.toThrow(/max_tokens/);
  await expect(
    client.messages.create({ ...question, thinking: { type: 'enabled', budget_tokens: 1024 } }),
  ).rejects.toThrow(Anthropic.BadRequestError);
  server.engine.failNext = { error: new Error('broken'), afterEvents: 1 };
  await expect(client.messages.stream(question).finalMessage()).rejects.toThrow(/failed on this request/);
});
