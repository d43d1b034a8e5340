/** Ollama's API, asked by Ollama's own client. */
import { Ollama } from 'ollama';
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

async function start(text: string): Promise<Ollama> {
  server = await startOpenAiServer({
    model,
    maxModelLength: 4096,
    answer: () => ({ tokens: tokensOf(model, text) }),
  });
  return new Ollama({ host: server.url });
}
const messages = [{ role: 'user', content: 'hi' }];

test('chat, whole and as a stream', async () => {
  const client = await start('Hello, world');
  const answer = await client.chat({
    model: 'spark:latest',
    messages,
    options: { num_predict: 64, seed: 1 },
  });
  expect(answer).toMatchObject({
    model: 'spark',
    message: { role: 'assistant', content: 'Hello, world' },
    done: true,
    done_reason: 'stop',
  });
  expect(answer.eval_count).toBeGreaterThan(1);
  const pieces: string[] = [];
  let last: { done: boolean } | undefined;
  for await (const piece of await client.chat({ model: 'spark', messages, stream: true })) {
    pieces.push(piece.message.content);
    last = piece;
  }
  expect(pieces.length).toBeGreaterThan(2);
  expect(pieces.join('')).toBe('Hello, world');
  expect(last).toMatchObject({ done: true, done_reason: 'stop', eval_count: answer.eval_count });
  expect(server.engine.requests[0]?.sampling).toMatchObject({ seed: 1 });
  const cut = await client.chat({ model: 'spark', messages, options: { num_predict: 1 } });
  expect(cut.done_reason).toBe('length');
});

test('generate is the chat of one question, with its system text and a form', async () => {
  const client = await start('{"a":1}');
  const answer = await client.generate({ model: 'spark', prompt: 'hi', system: '', format: 'json' });
  expect(answer).toMatchObject({ response: '{"a":1}', done: true });
  await client.chat({ model: 'spark', messages });
  const [first, second] = server.engine.requests;
  expect(first?.promptIds).toEqual(second?.promptIds);
  expect(first?.grammar).toEqual({ kind: 'json' });
  const streamed: string[] = [];
  for await (const { response } of await client.generate({ model: 'spark', prompt: 'hi', stream: true }))
    streamed.push(response ?? '');
  expect(streamed.join('')).toBe('{"a":1}');
  expect(await client.generate({ model: 'spark', prompt: '' })).toMatchObject({ done_reason: 'load' });
});

test('tools', async () => {
  const client = await start('<tool_call>{"name": "weather", "arguments": {"city": "林"}}</tool_call>');
  const parameters = { type: 'object', properties: { city: { type: 'string' } } };
  const tools = [{ type: 'function', function: { name: 'weather', description: 'of a city', parameters } }];
  const wanted = [{ function: { name: 'weather', arguments: { city: '林' } } }];
  const { message } = await client.chat({ model: 'spark', messages, tools });
  expect(message.tool_calls).toMatchObject(wanted);
  const calls: unknown[] = [];
  for await (const piece of await client.chat({ model: 'spark', messages, tools, stream: true }))
    calls.push(...(piece.message.tool_calls ?? []));
  expect(calls).toMatchObject(wanted);
  const history = [...messages, message, { role: 'tool', content: 'sunny', tool_name: 'weather' }];
  await client.chat({ model: 'spark', messages: history, tools });
  const prompt = model.tokenizer.decode(server.engine.requests.at(-1)?.promptIds ?? []);
  expect(prompt).toContain('sunny');
});

test('models and errors', async () => {
  const client = await start('a');
  await server.engine.loadAdapter({ name: 'poet', path: '/x' });
  expect((await client.list()).models.map(({ name }) => name)).toEqual(['spark', 'poet']);
  await expect(client.chat({ model: 'other', messages })).rejects.toThrow(/does not exist/);
  await expect(client.chat({ model: 'spark', messages, think: true })).rejects.toThrow(/think/);
  await expect(client.generate({ model: 'spark', prompt: 'a', raw: true })).rejects.toThrow(/completions/);
  const refused = await server.post('/api/chat', {
    model: 'spark',
    messages: [{ role: 'user', content: 'a', images: ['b'] }],
  });
  expect([refused.status, refused.json]).toEqual([400, { error: 'images: these models read text alone' }]);
});
