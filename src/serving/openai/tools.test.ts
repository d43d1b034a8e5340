import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Json,
  sparkLikeModel,
  startOpenAiServer,
  type TestServer,
  tokensOf,
} from '../../../tests/support/openai-server.js';
import { ToolCallReader } from './tool-call-reader.js';
import type { ToolMode } from './tool-prompt.js';

const PATH = '/v1/chat/completions';
const model = sparkLikeModel();
const messages = [{ role: 'user', content: '北京天气?' }];
const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};
const time = { type: 'function', function: { name: 'get_time' } };
const call = (name: string, args: object): string => JSON.stringify({ name, arguments: args });
let text = '';
let server: TestServer;

beforeAll(async () => {
  server = await startOpenAiServer({
    model,
    maxModelLength: 2048,
    answer: () => ({ tokens: tokensOf(model, text) }),
  });
});
afterAll(() => server.close());

/** The message that a stream's deltas add up to. */
function assembled(events: readonly Json[]): Json {
  const calls: Json[] = [];
  let content = '';
  for (const { choices } of events.slice(0, -1)) {
    content += choices[0].delta.content ?? '';
    for (const { index, id, function: part } of choices[0].delta.tool_calls ?? []) {
      calls[index] ??= { id, name: part.name, arguments: '' };
      calls[index].arguments += part.arguments;
    }
  }
  return { content, calls, finish: events.at(-2)?.choices[0].finish_reason };
}

describe('auto', () => {
  const body = { messages, tools: [weather, time] };

  test('free text is content', async () => {
    text = '我不知道 <tool_call>';
    const { json } = await server.post(PATH, body);
    expect(json.choices[0]).toMatchObject({ message: { content: text }, finish_reason: 'stop' });
    expect(json.choices[0].message).not.toHaveProperty('tool_calls');
    expect(server.engine.requests.at(-1)?.grammar).toBeUndefined();
    const prompt = model.tokenizer.decode(server.engine.requests.at(-1)?.promptIds ?? []);
    expect(prompt).toContain('你可以使用下列工具');
    expect(prompt).toContain('get_weather');
  });

  test('calls behind the mark are calls', async () => {
    text = ` <tool_call>${call('get_weather', { city: '北京' })}</tool_call>\n<tool_call>${call('get_time', {})}</tool_call>`;
    const { json } = await server.post(PATH, body);
    expect(json.choices[0]).toMatchObject({
      message: {
        content: null,
        tool_calls: [
          { type: 'function', function: { name: 'get_weather', arguments: '{"city":"北京"}' } },
          { type: 'function', function: { name: 'get_time', arguments: '{}' } },
        ],
      },
      finish_reason: 'tool_calls',
    });
    const streamed = assembled(await server.stream(PATH, { ...body, stream: true }));
    expect(streamed).toMatchObject({
      content: '',
      calls: [
        { name: 'get_weather', arguments: '{"city":"北京"}' },
        { name: 'get_time', arguments: '{}' },
      ],
      finish: 'tool_calls',
    });
    const one = await server.post(PATH, { ...body, parallel_tool_calls: false });
    expect(one.json.choices[0].message.tool_calls).toHaveLength(1);
  });

  test.each([
    ['text before a call', '我来查一下。\n', '我来查一下。'],
    ['text of more lines', '<b>好</b>\n\n< 3 <tool', '<b>好</b>\n\n< 3 <tool'],
    ['what looked like a call', '<tool_call>{"name": "rm"} <tool_call>oops', undefined],
  ])('%s is content', async (_, before, shown = before) => {
    text = `${before}<tool_call>${call('get_weather', { city: '北京' })}</tool_call>`;
    const { json } = await server.post(PATH, body);
    expect(json.choices[0]).toMatchObject({
      message: { content: shown, tool_calls: [{ function: { name: 'get_weather' } }] },
      finish_reason: 'tool_calls',
    });
    expect(assembled(await server.stream(PATH, { ...body, stream: true }))).toMatchObject({
      content: shown,
      calls: [{ name: 'get_weather', arguments: '{"city":"北京"}' }],
    });
  });

  test.each([
    ['an unknown tool', `<tool_call>${call('rm', {})}</tool_call>`],
    ['no JSON', '<tool_call>{"name": oops}</tool_call>'],
    ['an unfinished object', '<tool_call>{"nam'],
    ['the beginning of a mark', '<tool'],
  ])('%s is text', async (_, answer) => {
    text = answer;
    const { json } = await server.post(PATH, body);
    expect(json.choices[0].message).toMatchObject({ content: answer });
    expect(json.choices[0].message).not.toHaveProperty('tool_calls');
    expect(assembled(await server.stream(PATH, { ...body, stream: true })).content).toBe(answer);
  });
});

test('required: a schema of all tools, or a list of them', async () => {
  text = call('get_time', {});
  const { json } = await server.post(PATH, { messages, tools: [weather, time], tool_choice: 'required' });
  expect(json.choices[0].message.tool_calls).toMatchObject([
    { function: { name: 'get_time', arguments: '{}' } },
  ]);
  const grammar: Json = server.engine.requests.at(-1)?.grammar;
  expect(grammar.kind).toBe('json-schema');
  expect(grammar.schema.anyOf.map((option: Json) => option.properties.name.const)).toEqual([
    'get_weather',
    'get_time',
  ]);
  text = `[${call('get_time', {})}, ${call('get_weather', { city: 'x' })}]`;
  const list = await server.post(PATH, {
    messages,
    tools: [weather, time],
    tool_choice: 'required',
    parallel_tool_calls: true,
  });
  expect(list.json.choices[0].message.tool_calls).toHaveLength(2);
  expect(server.engine.requests.at(-1)?.grammar).toMatchObject({ schema: { type: 'array' } });
});

test('a named tool: the answer is its arguments', async () => {
  text = '{"city": "上海"}';
  const named = {
    messages,
    tools: [weather, time],
    tool_choice: { type: 'function', function: { name: 'get_weather' } },
  };
  const { json } = await server.post(PATH, named);
  expect(json.choices[0].message.tool_calls).toMatchObject([
    { function: { name: 'get_weather', arguments: text } },
  ]);
  expect(server.engine.requests.at(-1)?.grammar).toEqual({
    kind: 'json-schema',
    schema: weather.function.parameters,
  });
  const events = await server.stream(PATH, { ...named, stream: true });
  expect(assembled(events)).toMatchObject({
    calls: [{ name: 'get_weather', arguments: text }],
    finish: 'tool_calls',
  });
  const unknown = { ...named, tool_choice: { type: 'function', function: { name: 'x' } } };
  expect((await server.post(PATH, unknown)).json.error.param).toBe('tool_choice.function.name');
});

test('calls and results of the history are text; none leaves the tools out', async () => {
  text = 'ok';
  await server.post(PATH, {
    messages: [
      ...messages,
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          { id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"北京"}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'call_1', content: '晴' },
    ],
    tools: [weather],
    tool_choice: 'none',
  });
  const prompt = model.tokenizer.decode(server.engine.requests.at(-1)?.promptIds ?? []);
  expect(prompt).toContain('<tool_call>{"name": "get_weather", "arguments": {"city":"北京"}}</tool_call>');
  expect(prompt).toContain('<tool_response>\n晴\n</tool_response>');
  expect(prompt).not.toContain('JSON Schema');
});

test('two tools of one name are refused', async () => {
  const { json } = await server.post(PATH, { messages, tools: [time, time] });
  expect(json.error).toMatchObject({ param: 'tools' });
});

/** Whatever the pieces, the outcome is the same; and it never throws. */
test('a reader gives the same calls however the text is cut', () => {
  const read = (mode: ToolMode, pieces: readonly string[]): Json => {
    const reader = new ToolCallReader({ mode, names: new Set(['f', 'g']) });
    const all = [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()];
    const calls: Json[] = [];
    let content = '';
    for (const piece of all)
      if (piece.kind === 'content') content += piece.text;
      else if (piece.kind === 'call') calls[piece.index] = { name: piece.name, arguments: '' };
      else calls[piece.index].arguments += piece.text;
    return { content, calls };
  };
  const json = fc.json({ maxDepth: 2 });
  const object = fc
    .tuple(fc.constantFrom('f', 'g', 'h'), json)
    .map(([name, args]) => `{"name":"${name}","arguments":${args}}`);
  const other = fc
    .tuple(fc.constantFrom('f', 'g'), json)
    .map(([name, args]) => `{"arguments":${args},"name":"${name}"}`);
  const part = fc.oneof(
    object,
    other,
    fc.constantFrom('<tool_call>', '</tool_call>', ' ', ',', '[', ']', '{', '"'),
    fc.string(),
  );
  const answers = fc.array(part, { maxLength: 6 }).map((parts) => parts.join(''));
  const modes = fc.constantFrom<ToolMode>({ kind: 'auto' }, { kind: 'calls' }, { kind: 'none' });
  fc.assert(
    fc.property(
      answers,
      fc.boolean(),
      modes,
      fc.integer({ min: 1, max: 7 }),
      (answer, marked, mode, size) => {
        const whole = marked ? `<tool_call>${answer}` : answer;
        const pieces = whole.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
        expect(read(mode, pieces)).toEqual(read(mode, [whole]));
      },
    ),
    { numRuns: 500 },
  );
});
