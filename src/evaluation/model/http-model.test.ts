/** An address that behaves, and one that does not. */
import type { ServerResponse } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import {
  type AddressRequest,
  type MockAddress,
  sendJson,
  startMockAddress,
} from '../../../tests/support/mock-address.js';
import type { Prompt } from '../task.js';
import { HttpModel, type HttpModelOptions } from './http-model.js';
import type { ModelAnswer, ModelQuestion } from './language-model.js';

let address: MockAddress | undefined;
afterEach(() => address?.close());

type Answer = (body: Record<string, unknown>, response: ServerResponse, request: AddressRequest) => void;

async function open(answer: Answer, options: Partial<HttpModelOptions> = {}): Promise<HttpModel> {
  address = await startMockAddress((request, response) =>
    answer({ ...Object(request.body) }, response, request),
  );
  return HttpModel.open({ address: address.url, name: 'mock', attempts: 2, ...options });
}

const prompt: Prompt = { system: 'S', shots: [{ question: 'q1 ', answer: ' a1' }], question: 'q2' };
const text: ModelQuestion = { kind: 'text', form: 'chat', prompt, stop: ['\n'], maxNewTokens: 5 };

interface Told {
  readonly answers: ModelAnswer[];
  readonly failures: string[];
  readonly unanswerable: string[];
}

async function ask(model: HttpModel, questions: readonly ModelQuestion[]): Promise<Told> {
  const told: Told = { answers: [], failures: [], unanswerable: [] };
  await model.answer(questions, {
    onAnswer: (_, answer) => told.answers.push(answer),
    onFailure: (_, reason) => told.failures.push(reason),
    onUnanswerable: (_, reason) => told.unanswerable.push(reason),
  });
  return told;
}

const chat = (content: unknown): object => ({
  choices: [{ message: { content } }],
  usage: { prompt_tokens: 3, completion_tokens: 2 },
});

test('chat: examples are turns, usage is counted', async () => {
  const bodies: unknown[] = [];
  const model = await open((body, response) => {
    bodies.push(body);
    sendJson(response, chat('B'));
  });
  const { answers } = await ask(model, [text]);
  expect(answers[0]).toMatchObject({ output: 'B', droppedShots: 0, ids: null });
  expect(bodies[0]).toMatchObject({
    model: 'mock',
    max_tokens: 5,
    temperature: 0,
    messages: [
      { role: 'system', content: 'S' },
      { role: 'user', content: 'q1 ' },
      { role: 'assistant', content: 'a1' },
      { role: 'user', content: 'q2' },
    ],
  });
  expect(model.usage).toEqual({ promptTokens: 3, cachedTokens: 0, generatedTokens: 2 });
});

test('plain text: what lies behind a stop is cut, also stops beyond the four that are sent', async () => {
  const model = await open((body, response) => {
    expect(body.stop).toHaveLength(4);
    sendJson(response, { choices: [{ text: 'one\nprint two' }] });
  });
  const stop = ['\nclass', '\ndef', '\n#', '\nif', '\nprint'];
  expect((await ask(model, [{ ...text, form: 'plain', stop }])).answers[0]?.output).toBe('one');
});

test('log-likelihoods: of the tokens behind the context, up to the end of the option', async () => {
  const model = await open((body, response) => {
    const full = String(body.prompt);
    const tokens = [...full, '!'];
    sendJson(response, {
      choices: [
        {
          logprobs: {
            tokens,
            text_offset: tokens.map((_, index) => index),
            token_logprobs: tokens.map((token, index) => (index === 0 ? null : token === 'B' ? -0.5 : -2)),
            top_logprobs: tokens.map((_, index) => (index === 0 ? null : { x: -0.5 })),
          },
        },
      ],
    });
  });
  const question: ModelQuestion = {
    kind: 'choices',
    form: 'plain',
    prompt: { shots: [], question: '答案：' },
    choices: [{ continuations: ['A', 'B', 'BB'] }],
  };
  const { answers } = await ask(model, [question]);
  expect(answers[0]?.logLikelihoods).toEqual([[-2, -0.5, -1]]);
  expect(answers[0]?.isGreedy).toEqual([[false, true, true]]);
});

test('an address that echoes nothing says so', async () => {
  const model = await open((_, response) => sendJson(response, { choices: [{ text: 'x' }] }));
  await expect(
    ask(model, [{ kind: 'choices', form: 'plain', prompt, choices: [{ continuations: ['A'] }] }]),
  ).rejects.toThrow(/no log-probabilities of a prompt.*--mode generate/);
});

test('429 is waited for as long as the address says', async () => {
  let calls = 0;
  const started = Date.now();
  const model = await open((_, response) => {
    calls += 1;
    if (calls === 1) sendJson(response, {}, 429, { 'retry-after': '1' });
    else sendJson(response, chat('B'));
  });
  expect((await ask(model, [text])).answers[0]?.output).toBe('B');
  expect(Date.now() - started).toBeGreaterThan(900);
});

test.each([
  [
    'an error of its own',
    (response: ServerResponse) => sendJson(response, { error: { message: 'broken' } }, 500),
    'status 500',
  ],
  ['a page', (response: ServerResponse) => response.end('<html>busy</html>'), 'no JSON'],
  ['nonsense', (response: ServerResponse) => sendJson(response, { hello: 1 }), 'no answer in it'],
  ['a text that is none', (response: ServerResponse) => sendJson(response, chat(5)), 'no answer in it'],
  [
    'a refusal',
    (response: ServerResponse) => sendJson(response, { error: { message: 'bad field' } }, 400),
    'status 400',
  ],
  ['a closed connection', (response: ServerResponse) => response.destroy(), 'no connection'],
  ['nothing', () => {}, 'timed out'],
])('%s is counted, and the other questions go on', async (_, answer, reason) => {
  const model = await open(
    (body, response) => {
      if (JSON.stringify(body.messages).includes('bad')) answer(response);
      else sendJson(response, chat('B'));
    },
    { timeoutSeconds: 1 },
  );
  const told = await ask(model, [{ ...text, prompt: { shots: [], question: 'bad' } }, text]);
  expect(told.failures).toEqual([reason]);
  expect(told.answers.map(({ output }) => output)).toEqual(['B']);
});

test('a prompt too long: examples are dropped from the end; without any it cannot be answered', async () => {
  const model = await open((body, response) => {
    const count = Array.isArray(body.messages) ? body.messages.length : 0;
    if (count > 2 || JSON.stringify(body.messages).includes('endless'))
      sendJson(response, { error: { message: "This model's maximum context length is 10 tokens" } }, 400);
    else sendJson(response, chat('B'));
  });
  const told = await ask(model, [text, { ...text, prompt: { shots: [], question: 'endless' } }]);
  expect(told.answers[0]?.droppedShots).toBe(1);
  expect(told.unanswerable).toEqual(['too long for the model']);
});

test('a wrong key ends the run; a message without content is an empty answer', async () => {
  const model = await open((body, response) =>
    JSON.stringify(body).includes('secret')
      ? sendJson(response, { error: { message: 'no' } }, 401)
      : sendJson(response, chat(null)),
  );
  expect((await ask(model, [text])).answers[0]?.output).toBe('');
  await expect(ask(model, [{ ...text, prompt: { shots: [], question: 'secret' } }])).rejects.toThrow(
    /OPENAI_API_KEY/,
  );
});

test('the first model of the list is asked where none is named', async () => {
  const model = await open(
    (_, response) => sendJson(response, { data: [{ id: 'first' }, { id: 'second' }] }),
    {
      name: undefined,
    },
  );
  expect(model.identity.model).toEqual({ name: 'first' });
  await expect(HttpModel.open({ address: 'http://127.0.0.1:1', attempts: 1 })).rejects.toThrow(
    /127\.0\.0\.1:1/,
  );
});

test('a dialogue: its own answers are the history; the persona stays in front', async () => {
  const asked: unknown[] = [];
  const model = await open((body, response) => {
    asked.push(body.messages);
    sendJson(response, chat(`answer ${asked.length}`));
  });
  const speakers = { user: 'User: ', assistant: 'Assistant:' };
  const { answers } = await ask(model, [
    {
      ...text,
      prompt: { system: 'S', shots: [], question: 'one', dialogue: { turns: [], speakers } },
      laterTurns: ['two', 'three'],
    },
  ]);
  expect(answers[0]?.outputs).toEqual(['answer 1', 'answer 2', 'answer 3']);
  expect(asked.at(-1)).toEqual([
    { role: 'system', content: 'S' },
    { role: 'user', content: 'one' },
    { role: 'assistant', content: 'answer 1' },
    { role: 'user', content: 'two' },
    { role: 'assistant', content: 'answer 2' },
    { role: 'user', content: 'three' },
  ]);
});

test("OpenAI's form of a refusal is the answer's text", async () => {
  const model = await open((_, response) =>
    sendJson(response, { choices: [{ message: { content: null, refusal: 'I cannot.' } }] }),
  );
  expect((await ask(model, [text])).answers[0]?.output).toBe('I cannot.');
});

test('a refused question ends the run before anything was answered; after that it has failed, where that is wanted', async () => {
  const refusing: Answer = (body, response) =>
    JSON.stringify(body).includes('bad')
      ? sendJson(response, { error: { message: 'not allowed' } }, 403)
      : sendJson(response, chat('B'));
  const bad: ModelQuestion = { ...text, prompt: { shots: [], question: 'bad' } };
  const spelled = { key: 'JUDGE_API_KEY', name: '--judge-model' };
  const patient = await open(refusing, { bearsRefusals: true, spelled });
  await expect(ask(patient, [bad])).rejects.toThrow(/not allowed.*JUDGE_API_KEY and --judge-model/);
  await ask(patient, [text]);
  expect((await ask(patient, [bad, text])).failures).toEqual(['status 403']);
});

test('a reasoning model: the limit by its other name, no temperature; learned once', async () => {
  const bodies: Record<string, unknown>[] = [];
  const refuse = (response: ServerResponse, message: string): void =>
    sendJson(response, { error: { message } }, 400);
  const model = await open((body, response) => {
    bodies.push(body);
    if ('max_tokens' in body)
      refuse(
        response,
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      );
    else if ('temperature' in body)
      refuse(
        response,
        "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
      );
    else sendJson(response, chat('B'));
  });
  expect((await ask(model, [text])).answers[0]?.output).toBe('B');
  expect(bodies).toHaveLength(3);
  expect(bodies[2]).toMatchObject({ max_completion_tokens: 5, seed: 0 });
  expect((await ask(model, [text])).answers[0]?.output).toBe('B');
  expect(bodies).toHaveLength(4);
  await address?.close();
  const eager = await open((body, response) =>
    'max_tokens' in body
      ? setTimeout(() => refuse(response, "Use 'max_completion_tokens' instead."), 20)
      : sendJson(response, chat('B')),
  );
  const told = await ask(eager, new Array<ModelQuestion>(8).fill(text));
  expect([told.answers.length, told.failures]).toEqual([8, []]);
});
