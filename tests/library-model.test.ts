/** A model in a program's hands: what examples/ do not show. One engine process for all. */
import { createServer } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { InputError, loadModel, type Model, setLog } from '../src/index.js';
import { writeTinyModel } from './support/tiny-model.js';

const messages: string[] = [];
let model: Model;
beforeAll(async () => {
  setLog((text) => messages.push(text));
  model = await loadModel(await writeTinyModel(), { cacheTokens: 2048, threads: 1 });
});
afterAll(async () => {
  await model.close();
  setLog(undefined);
});

test('what the engine says comes to the receiver of the log', () => {
  expect(messages.join('')).toMatch(/^engine: ready; /m);
});

test('greedy answers are the same whole and in pieces, and by HTTP', async () => {
  const conversation = [{ role: 'user', content: 'hello' }] as const;
  const whole = await model.chat(conversation, { maxNewTokens: 8 });
  const stream = model.streamChat(conversation, { maxNewTokens: 8 });
  let text = '';
  for await (const piece of stream) text += piece;
  expect(text).toBe(whole.text);
  expect(await stream.answer).toEqual({ ...whole, usage: expect.anything() });
  const server = createServer(model.requestHandler());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/v1/chat/completions`;
  const ask = (headers: Record<string, string>): Promise<Response> =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ messages: conversation, max_tokens: 8, temperature: 0 }),
    });
  expect(await (await ask({})).json()).toMatchObject({
    model: model.id,
    choices: [{ message: { content: whole.text } }],
  });
  // Without keys, pages of others are kept out as by xinghe serve.
  expect((await ask({ origin: 'https://elsewhere.example' })).status).toBe(403);
  await new Promise((resolve) => server.close(resolve));
});

test('faults are InputErrors that name our options', async () => {
  const refused = async (run: Promise<unknown>): Promise<string> => {
    const error = await run.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(InputError);
    return error instanceof Error ? error.message : '';
  };
  expect(await refused(model.generate('hi', { topK: 0.5 }))).toMatch(/^topK: .*0\.5/);
  expect(await refused(model.generate('hi', { maxNewTokens: 0 }))).toMatch(/^maxNewTokens: /);
  expect(await refused(model.chat([]))).toMatch(/^messages: /);
  expect(await refused(model.generate('hi', { adapter: 'none' }))).toContain('`none` does not exist');
  expect(await refused(model.chat([{ role: 'user', content: 'hi' }], { toolChoice: 'required' }))).toMatch(
    /^toolChoice: there are no tools/,
  );
  expect(await refused(model.generate('hi', { regex: 'a', choice: ['b'] }))).toContain('exactly one of');
  await expect(loadModel('/nowhere')).rejects.toThrow(InputError);
});

test('a text that is left ends in the engine; one that nobody loops over is whole all the same', async () => {
  const left = model.stream('star', { minNewTokens: 1000, maxNewTokens: 1000 });
  for await (const _ of left) break;
  await expect(left.answer).rejects.toThrow('was left');
  const { usage, text } = await model.stream('star', { minNewTokens: 5, maxNewTokens: 5 }).answer;
  expect(usage.generatedTokens).toBe(5);
  expect(text).toBe((await model.generate('star', { minNewTokens: 5, maxNewTokens: 5 })).text);
});

test('no length given: 256 tokens', async () => {
  const { usage, finishReason } = await model.generate('star', { minNewTokens: 256 });
  expect([usage.generatedTokens, finishReason]).toEqual([256, 'length']);
});

test('closed, it answers nobody', async () => {
  const open = expect(model.generate('star', { minNewTokens: 999, maxNewTokens: 999 })).rejects.toThrow(
    /ending/,
  );
  await model[Symbol.asyncDispose]();
  await open;
  await expect(model.generate('star')).rejects.toThrow(/ending/);
});
