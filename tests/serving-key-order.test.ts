/**
 * Keys that look like numbers keep their order on every way through the server: schemas to the form of an answer, schemas and
 * arguments into prompts, arguments of an answer out of it. JavaScript's objects would list "2" before "10".
 */
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parseOrderedJson } from '../src/json/index.js';
import { sparkLikeModel, startOpenAiServer, type TestServer, tokensOf } from './support/openai-server.js';
import { ServedProcess } from './support/served-process.js';
import { writeTinyModel } from './support/tiny-model.js';

/** Only one value has this form. */
const SCHEMA =
  '{"type":"object","properties":{"10":{"const":"a"},"b":{"const":1},"2":{"type":"object","properties":' +
  '{"9":{"const":1},"3":{"const":{"7":0,"1":[2]}}},"required":["3","9"],"additionalProperties":false}},' +
  '"required":["2","10","b"],"additionalProperties":false}';
const VALUE = '{"10":"a","b":1,"2":{"9":1,"3":{"7":0,"1":[2]}}}';
const schema = parseOrderedJson(SCHEMA);
const value = parseOrderedJson(VALUE);
const messages = [{ role: 'user', content: 'hi' }];
const tools = [{ type: 'function', function: { name: 'f', parameters: schema } }];
const responsesTools = [{ type: 'function', name: 'f', parameters: schema }];
const anthropicTools = [{ name: 'f', input_schema: schema }];
const choice = { type: 'function', function: { name: 'f' } };
/** JSON within JSON is compared by its own order, spaces apart. */
const compact = (json: unknown): string => JSON.stringify(parseOrderedJson(String(json)));

/** The value at a path of keys within JSON, read in order; the text of a stream's events by their parts. */
function at(json: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((level, key) => Reflect.get(Object(level), key), json);
}

async function post(url: string, path: string, body: object): Promise<string> {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer administrator' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
  return text;
}

async function answer(url: string, path: string, body: object): Promise<unknown> {
  return parseOrderedJson(await post(url, path, body));
}

/** Events of Server-Sent Events, or lines of Ollama's. */
async function streamed(url: string, path: string, body: object): Promise<unknown[]> {
  const text = await post(url, path, { ...body, stream: true });
  const lines = text.split('\n').map((line) => line.replace(/^data: /, ''));
  return lines.filter((line) => line.startsWith('{')).map((line) => parseOrderedJson(line));
}

const joined = (events: readonly unknown[], ...path: readonly (string | number)[]): string =>
  events.map((event) => at(event, ...path) ?? '').join('');

describe('a served model', () => {
  let server: ServedProcess;
  let model: string;
  beforeAll(async () => {
    model = await writeTinyModel('tiny', { max_position_embeddings: 4096 });
    server = new ServedProcess(['--model', model, '--port', '0', '--quiet', '--allow-chat-template']);
    await server.ready();
  });
  afterAll(async () => {
    await server.end();
    rmSync(dirname(model), { recursive: true, force: true });
  });
  const chat = { messages, max_tokens: 200, temperature: 0 };
  const format = { type: 'json_schema', json_schema: { name: 'n', schema } };

  test('response_format and structured_outputs', async () => {
    const path = ['choices', 0, 'message', 'content'];
    const bodies = [
      { response_format: format },
      { response_format: { type: 'json_object', schema } },
      { structured_outputs: { json: schema } },
      { structured_outputs: { json: SCHEMA } },
    ];
    for (const body of bodies)
      expect(
        compact(at(await answer(server.url, '/v1/chat/completions', { ...chat, ...body }), ...path)),
      ).toBe(VALUE);
    const events = await streamed(server.url, '/v1/chat/completions', { ...chat, response_format: format });
    expect(compact(joined(events, 'choices', 0, 'delta', 'content'))).toBe(VALUE);
    const completion = await answer(server.url, '/v1/completions', {
      prompt: 'hi',
      max_tokens: 200,
      response_format: format,
    });
    expect(compact(at(completion, 'choices', 0, 'text'))).toBe(VALUE);
  });

  test('the forms of the other APIs', async () => {
    const responses = await answer(server.url, '/v1/responses', {
      input: 'hi',
      max_output_tokens: 200,
      text: { format: { type: 'json_schema', name: 'n', schema } },
    });
    expect(compact(at(responses, 'output', 0, 'content', 0, 'text'))).toBe(VALUE);
    const ollama = await answer(server.url, '/api/chat', {
      model: 'tiny',
      messages,
      stream: false,
      format: schema,
    });
    expect(compact(at(ollama, 'message', 'content'))).toBe(VALUE);
  });

  test.each([choice, 'required'])('a call that is demanded: %j', async (tool_choice) => {
    const body = { ...chat, tools, tool_choice };
    const whole = await answer(server.url, '/v1/chat/completions', body);
    const call = ['tool_calls', 0, 'function', 'arguments'];
    expect(compact(at(whole, 'choices', 0, 'message', ...call))).toBe(VALUE);
    const events = await streamed(server.url, '/v1/chat/completions', body);
    expect(compact(joined(events, 'choices', 0, 'delta', ...call))).toBe(VALUE);
    const responses = await answer(server.url, '/v1/responses', {
      input: 'hi',
      max_output_tokens: 200,
      tools: responsesTools,
      tool_choice: tool_choice === 'required' ? tool_choice : { type: 'function', name: 'f' },
    });
    expect(compact(at(responses, 'output', 0, 'arguments'))).toBe(VALUE);
    const anthropic = await answer(server.url, '/v1/messages', {
      model: 'tiny',
      max_tokens: 200,
      messages,
      tools: anthropicTools,
      tool_choice: tool_choice === 'required' ? { type: 'any' } : { type: 'tool', name: 'f' },
    });
    expect(JSON.stringify(at(anthropic, 'content', 0, 'input'))).toBe(VALUE);
  });

  /** The prompt that a conversation becomes. */
  async function promptOf(body: object): Promise<string> {
    const { tokens } = Object(await answer(server.url, '/tokenize', body));
    return String(at(await answer(server.url, '/detokenize', { tokens }), 'prompt'));
  }
  const history = [
    ...messages,
    { role: 'assistant', content: null, tool_calls: [{ function: { name: 'f', arguments: VALUE } }] },
  ];

  test('templates: schemas of tools, arguments of calls, values of the caller', async () => {
    const chat_template =
      '{{ tools[0].function.parameters | tojson }}|{{ messages[1].tool_calls[0].function.arguments | tojson }}|' +
      '{% for key in messages[1].tool_calls[0].function.arguments %}{{ key }},{% endfor %}|{{ extra | tojson }}';
    const chat_template_kwargs = { extra: value };
    const prompt = await promptOf({ messages: history, tools, chat_template, chat_template_kwargs });
    const [parameters, input, keys, extra] = prompt.split('|');
    expect(compact(parameters)).toBe(SCHEMA);
    expect(compact(input)).toBe(VALUE);
    expect(keys).toBe('10,b,2,');
    expect(compact(extra)).toBe(VALUE);
  });

  test('without a template: tools and calls as text', async () => {
    const prompt = await promptOf({ messages: history, tools });
    expect(prompt).toContain(`"parameters":${SCHEMA}`);
    expect(prompt).toContain(VALUE);
  });
});

describe('calls within free text', () => {
  const model = sparkLikeModel();
  let server: TestServer | undefined;
  afterEach(() => server?.close());
  // The name first and last: one is streamed, the other is read as a whole.
  const texts = [
    `<tool_call>{"name": "f", "arguments": ${VALUE}}</tool_call>`,
    `<tool_call>{"arguments": ${VALUE}, "name": "f"}</tool_call>`,
  ];

  test.each(texts)('%s', async (text) => {
    server = await startOpenAiServer({
      model,
      maxModelLength: 4096,
      answer: () => ({ tokens: tokensOf(model, text) }),
    });
    const { url } = server;
    const call = ['tool_calls', 0, 'function', 'arguments'];
    const whole = await answer(url, '/v1/chat/completions', { messages, tools });
    expect(at(whole, 'choices', 0, 'message', ...call)).toBe(VALUE);
    const events = await streamed(url, '/v1/chat/completions', { messages, tools });
    expect(joined(events, 'choices', 0, 'delta', ...call)).toBe(VALUE);

    const responses = await answer(url, '/v1/responses', { input: 'hi', tools: responsesTools });
    expect(at(responses, 'output', 0, 'arguments')).toBe(VALUE);
    const responseEvents = await streamed(url, '/v1/responses', { input: 'hi', tools: responsesTools });
    const deltas = responseEvents.filter(
      (event) => at(event, 'type') === 'response.function_call_arguments.delta',
    );
    expect(joined(deltas, 'delta')).toBe(VALUE);
    expect(at(responseEvents.at(-1), 'response', 'output', 0, 'arguments')).toBe(VALUE);

    const anthropic = { model: 'spark', max_tokens: 200, messages, tools: anthropicTools };
    const message = await answer(url, '/v1/messages', anthropic);
    expect(JSON.stringify(at(message, 'content', 0, 'input'))).toBe(VALUE);
    expect(joined(await streamed(url, '/v1/messages', anthropic), 'delta', 'partial_json')).toBe(VALUE);

    const ollama = { model: 'spark', messages, tools };
    const inOne = await answer(url, '/api/chat', { ...ollama, stream: false });
    expect(JSON.stringify(at(inOne, 'message', ...call))).toBe(VALUE);
    const lines = await streamed(url, '/api/chat', ollama);
    const calls = lines.flatMap((line) => at(line, 'message', ...call) ?? []);
    expect(JSON.stringify(calls[0])).toBe(VALUE);
  });

  test('what comes back as history is the same prompt in every API', async () => {
    server = await startOpenAiServer({ model, maxModelLength: 4096 });
    const { url, engine } = server;
    const result = { role: 'tool', tool_call_id: '1', content: 'done' };
    const openAiCalls = [{ id: '1', function: { name: 'f', arguments: VALUE } }];
    const ollamaCalls = [{ id: '1', function: { name: 'f', arguments: value } }];
    await answer(url, '/v1/chat/completions', {
      messages: [...messages, { role: 'assistant', content: '', tool_calls: openAiCalls }, result],
    });
    await answer(url, '/v1/responses', {
      input: [
        ...messages,
        { type: 'function_call', call_id: '1', name: 'f', arguments: VALUE },
        { type: 'function_call_output', call_id: '1', output: 'done' },
      ],
    });
    await answer(url, '/v1/messages', {
      model: 'spark',
      max_tokens: 8,
      messages: [
        ...messages,
        { role: 'assistant', content: [{ type: 'tool_use', id: '1', name: 'f', input: value }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: '1', content: 'done' }] },
      ],
    });
    await answer(url, '/api/chat', {
      model: 'spark',
      stream: false,
      messages: [
        ...messages,
        { role: 'assistant', content: '', tool_calls: ollamaCalls },
        { role: 'tool', content: 'done', tool_name: 'f' },
      ],
    });
    const prompts = engine.requests.map(({ promptIds }) => model.tokenizer.decode(promptIds));
    expect(prompts).toHaveLength(4);
    for (const prompt of prompts) expect(prompt).toContain(VALUE);
  });
});
