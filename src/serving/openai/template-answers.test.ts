/** Models that bring a chat template: tools, calls and thoughts in the template's own forms, over all APIs. */
import { afterAll, describe, expect, test } from 'vitest';
import {
  type ApiServer,
  sparkLikeModel,
  startOpenAiServer,
  tokensOf,
} from '../../../tests/support/openai-server.js';
import { templateAnswer } from './answer-form.js';
import { ReasoningReader } from './reasoning-reader.js';
import { ToolCallReader } from './tool-call-reader.js';

// Short templates in the manner of published ones, written here.
const SAYS =
  '{% for m in messages %}[{{ m.role }}]{{ m.content }}{% for c in m.tool_calls or [] %}({{ c.function | tojson }}){% endfor %}{% endfor %}';
const HERMES = `{% if tools %}{{ tools | length }} tools, <tool_call>{% endif %}${SAYS}[assistant]`;
const LLAMA = `{% if tools %}{"name": function name, "parameters": dictionary of its values}{% endif %}${SAYS}[assistant]`;
const MISTRAL = `{% if tools %}[AVAILABLE_TOOLS]{% endif %}${SAYS}{# [TOOL_CALLS] #}[assistant]`;
const OTHER = `{% if tools %}{{ tools | length }} tools{% endif %}${SAYS}[assistant]`;
const THINKING =
  '{% for m in messages %}[{{ m.role }}]{{ m.content.split("</think>")[-1] }}{% if m.reasoning_content %}({{ m.reasoning_content }}){% endif %}{% endfor %}' +
  '[assistant]{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}';

const model = sparkLikeModel();
const messages = [{ role: 'user', content: '天气？' }];
const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }];
const servers: ApiServer[] = [];
afterAll(async () => {
  for (const server of servers) await server.close();
});

async function serve(chatTemplate: string, answer: string) {
  const server = await startOpenAiServer({
    model,
    routes: { chatTemplate },
    maxModelLength: 4096,
    answer: () => ({ tokens: tokensOf(model, answer) }),
  });
  servers.push(server);
  return server;
}

function read(template: string, text: string, names = ['f', 'g']) {
  const form = templateAnswer(template, '', { callsAreText: false });
  const results = [1, 3, text.length].map((size) => {
    const reader = new ToolCallReader({ mode: { kind: 'auto' }, names: new Set(names), form: form.calls });
    const calls: { name: string; args: string; id?: string }[] = [];
    let content = '';
    const take = (pieces: ReturnType<ToolCallReader['push']>) => {
      for (const piece of pieces)
        if (piece.kind === 'content') content += piece.text;
        else if (piece.kind === 'call')
          calls.push({ name: piece.name, args: '', ...(!piece.id.startsWith('call_') && { id: piece.id }) });
        else calls[piece.index]!.args += piece.text;
    };
    for (let at = 0; at < text.length; at += size) take(reader.push(text.slice(at, at + size)));
    take(reader.end());
    return { content, calls };
  });
  // In whatever pieces it comes.
  expect(results[1]).toEqual(results[0]);
  expect(results[2]).toEqual(results[0]);
  return results[0];
}

describe('calls in the form that the template shows', () => {
  const call = { name: 'f', args: '{"a": "}"}' };
  type ReadCall = { readonly name: string; readonly args: string; readonly id?: string };
  const newerMistral: readonly (readonly [text: string, calls: readonly ReadCall[]])[] = [
    ['[TOOL_CALLS]f[ARGS]{"a": "}"}', [call]],
    ['[TOOL_CALLS]f[CALL_ID]abc123xyz[ARGS]{"a": "}"}', [{ ...call, id: 'abc123xyz' }]],
    ['[TOOL_CALLS] f [ARGS] {"a": "}"}', [call]],
    ['[TOOL_CALLS]f{"a": "}"}', [call]],
    ['[TOOL_CALLS]f[ARGS]{"a": "}"}[TOOL_CALLS]g[ARGS]{}', [call, { name: 'g', args: '{}' }]],
    [
      '[TOOL_CALLS]f[CALL_ID]a1[ARGS]{"a": "}"}[TOOL_CALLS]g[CALL_ID]a2[ARGS]{}',
      [
        { ...call, id: 'a1' },
        { name: 'g', args: '{}', id: 'a2' },
      ],
    ],
  ];
  test.each<readonly [template: string, text: string, content: string, calls: readonly ReadCall[]]>([
    [HERMES, 'Well.\n<tool_call>\n{"name": "f", "arguments": {"a": "}"}}\n</tool_call>', 'Well.', [call]],
    [
      HERMES,
      '<tool_call>{"name": "f", "arguments": {"a": "}"}}</tool_call>\n<tool_call>{"name": "g", "arguments": {}}</tool_call>',
      '',
      [call, { name: 'g', args: '{}' }],
    ],
    [LLAMA, '{"name": "f", "parameters": {"a": "}"}}', '', [call]],
    [LLAMA, '<|python_tag|>{"name": "f", "parameters": {"a": "}"}}', '', [call]],
    [
      LLAMA,
      '{"name": "f", "parameters": {"a": "}"}}; {"name": "g", "parameters": {}}',
      '',
      [call, { name: 'g', args: '{}' }],
    ],
    [
      LLAMA,
      '{"type": "function", "name": "f", "parameters": {"a": "}"}}',
      '',
      [{ name: 'f', args: '{"a":"}"}' }],
    ],
    [MISTRAL, '[TOOL_CALLS][{"name": "f", "arguments": {"a": "}"}}]', '', [call]],
    [
      MISTRAL,
      '[TOOL_CALLS] [{"name": "f", "arguments": {"a": "}"}}, {"name": "g", "arguments": {}}]',
      '',
      [call, { name: 'g', args: '{}' }],
    ],
    ...newerMistral.map(([text, calls]) => [MISTRAL, `Well. ${text}`, 'Well.', calls] as const),
    ...newerMistral.map(([text, calls]) => [MISTRAL, text, '', calls] as const),
    // The mark is a control token, which texts leave out.
    [MISTRAL, ' [{"name": "f", "arguments": {"a": "}"}}]', '', [call]],
  ])('%#', (template, text, content, calls) => {
    expect(read(template, text)).toEqual({ content, calls });
  });

  test.each([
    [LLAMA, 'The JSON is {"name": "f", "parameters": {}}.'],
    [LLAMA, '{"name": "nobody", "parameters": {}}'],
    [LLAMA, '{"city": "Paris"} is the answer'],
    [LLAMA, '<|python_tag|>print(1)'],
    [LLAMA, '{'],
    [MISTRAL, '[1] is a list, [{"name": "f", "arguments": {}}] too'],
    [MISTRAL, '[{"a": 1}]'],
    [MISTRAL, '[TOOL'],
    [MISTRAL, '[TOOL_CALLS]nobody[ARGS]{"a": 1}'],
    [MISTRAL, '[TOOL_CALLS]f is a letter'],
    [MISTRAL, '[TOOL_CALLS]f[CALL_ID]a1{"a": 1}'],
    [MISTRAL, '[TOOL_CALLS]f[ARGS][1]'],
    [MISTRAL, '[TOOL_CALLS]f[CALL'],
    [MISTRAL, 'f[ARGS]{"a": 1}'],
    [HERMES, '<tool_call>\n<function=f>\n</function>\n</tool_call>'],
    [OTHER, '<tool_call>{"name": "f", "arguments": {}}</tool_call>'],
    [OTHER, '{"name": "f", "parameters": {}}'],
  ])('everything else stays text: %# %s', (template, text) => {
    expect(read(template, text)).toEqual({ content: text, calls: [] });
  });

  test('over HTTP, whole and as a stream; tools and earlier calls reach the template', async () => {
    const server = await serve(LLAMA, '{"name": "f", "parameters": {"a": 1}}');
    const body = {
      messages: [
        ...messages,
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'x', function: { name: 'f', arguments: '{"b": 2}' } }],
        },
        { role: 'tool', tool_call_id: 'x', content: '3' },
      ],
      tools,
    };
    const { json } = await server.post('/v1/chat/completions', body);
    expect(json.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { content: null, tool_calls: [{ function: { name: 'f', arguments: '{"a": 1}' } }] },
    });
    const chunks = await server.stream('/v1/chat/completions', { ...body, stream: true });
    const args = chunks.flatMap((chunk) => chunk.choices?.[0]?.delta?.tool_calls ?? []);
    expect(args.map((each: { function: { arguments: string } }) => each.function.arguments).join('')).toBe(
      '{"a": 1}',
    );
    const asked = await server.post('/tokenize', body);
    expect(model.tokenizer.decode(asked.json.tokens)).toBe(
      '{"name": function name, "parameters": dictionary of its values}[user]天气？[assistant]({"name": "f", "arguments": {"b": 2}})[tool]3[assistant]',
    );
  });

  test('marks that are control tokens are kept for who reads calls by them', async () => {
    const asked: (boolean | undefined)[] = [];
    for (const [chatTemplate, fields] of [
      [MISTRAL, { tools }],
      [MISTRAL, { tools, skip_special_tokens: true }],
      [MISTRAL, { tools, tool_choice: 'none' }],
      [MISTRAL, {}],
      [HERMES, { tools }],
    ] as const) {
      const server = await startOpenAiServer({
        model,
        routes: { chatTemplate },
        maxModelLength: 4096,
        answer: ({ skipSpecialTokens }) => {
          asked.push(skipSpecialTokens);
          return { tokens: tokensOf(model, '[TOOL_CALLS]f[CALL_ID]abc123xyz[ARGS]{"a": 1}') };
        },
      });
      servers.push(server);
      const { json } = await server.post('/v1/chat/completions', { messages, ...fields });
      if (asked.length === 1)
        expect(json.choices[0].message.tool_calls).toEqual([
          { id: 'abc123xyz', type: 'function', function: { name: 'f', arguments: '{"a": 1}' } },
        ]);
    }
    expect(asked).toEqual([false, true, undefined, undefined, undefined]);
  });

  test.each([
    ['joins', "{{ 'json' + c.function.arguments + '.' }}"],
    ['prints', 'json{{ c.function.arguments }}.'],
  ])('a template that %s arguments as texts is given them as they came', async (_, shown) => {
    const template = `{% if tools %}{% endif %}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% for c in m.tool_calls or [] %}${shown}{% endfor %}{% endfor %}`;
    const server = await serve(template, 'b');
    const tool_calls = [{ id: 'x', function: { name: 'f', arguments: '{"b":true}' } }];
    const body = { messages: [...messages, { role: 'assistant', content: null, tool_calls }], tools };
    const { json } = await server.post('/tokenize', body);
    expect(model.tokenizer.decode(json.tokens)).toBe('[user]天气？[assistant]json{"b":true}.');
    // Another fault is told as it was.
    const faulty = await serve(`{{ 1 + 'a' }}${template}`, 'b');
    const refused = await faulty.post('/tokenize', body);
    expect([refused.status, refused.json.error?.message]).toEqual([
      422,
      expect.stringContaining('The chat template failed'),
    ]);
  });

  test('a template without a place for tools: the prompt says it in words', async () => {
    const plain = '{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}';
    const server = await serve(plain, '<tool_call>{"name": "f", "arguments": {}}</tool_call>');
    const { json } = await server.post('/v1/chat/completions', { messages, tools });
    expect(json.choices[0].message.tool_calls).toHaveLength(1);
    const asked = await server.post('/tokenize', { messages, tools });
    expect(model.tokenizer.decode(asked.json.tokens)).toMatch(/^\[system\].*<tool_call>.*\[user\]/s);
  });
});

describe('what a model thinks', () => {
  const split = (thinking: 'none' | 'possible' | 'begun', text: string): string[] => {
    const results = [1, 2, 5, text.length].map((size) => {
      const reader = new ReasoningReader(thinking);
      const out = { reasoning: '', text: '' };
      const take = (pieces: ReturnType<ReasoningReader['push']>) => {
        for (const piece of pieces) out[piece.kind] += piece.text;
      };
      for (let at = 0; at < text.length; at += size) take(reader.push(text.slice(at, at + size)));
      take(reader.end());
      return [out.reasoning, out.text];
    });
    for (const result of results) expect(result).toEqual(results[0]);
    return results[0] ?? [];
  };

  test.each([
    ['possible', '<think>\na b\n</think>\n\nc', 'a b', 'c'],
    ['possible', '\n<think>a</think>b </think> c', 'a', 'b </think> c'],
    ['possible', 'no thoughts, <think>', '', 'no thoughts, <think>'],
    ['possible', '<thin', '', '<thin'],
    ['possible', '<think>a < b </thin', 'a < b </thin', ''],
    ['possible', '<think>\n\n</think>\n\nc', '', 'c'],
    ['begun', 'a\n</think>\n\nc', 'a', 'c'],
    ['begun', '<think>\na</think>c', 'a', 'c'],
    ['begun', 'cut off', 'cut off', ''],
    ['none', '<think>a</think>c', '', '<think>a</think>c'],
  ] as const)('%s: %j', (thinking, text, reasoning, said) => {
    expect(split(thinking, text)).toEqual([reasoning, said]);
  });

  test('whole and as a stream, in every API', async () => {
    const server = await serve(THINKING, '<think>\nwell\n</think>\n\nsunny');
    const { json } = await server.post('/v1/chat/completions', { messages });
    expect(json.choices[0].message).toMatchObject({ reasoning_content: 'well', content: 'sunny' });
    const chunks = await server.stream('/v1/chat/completions', { messages, stream: true });
    const of = (key: string): string =>
      chunks.map((chunk) => chunk.choices?.[0]?.delta?.[key] ?? '').join('');
    expect([of('reasoning_content'), of('content')]).toEqual(['well', 'sunny']);
    const anthropic = await server.post('/v1/messages', {
      model: 'spark',
      max_tokens: 200,
      messages,
      thinking: { type: 'enabled' },
    });
    expect(anthropic.json.content).toEqual([
      { type: 'thinking', thinking: 'well', signature: '' },
      { type: 'text', text: 'sunny' },
    ]);
    const responses = await server.post('/v1/responses', { input: '天气？' });
    expect(responses.json.output).toMatchObject([
      { type: 'reasoning', content: [{ type: 'reasoning_text', text: 'well' }] },
      { type: 'message', content: [{ type: 'output_text', text: 'sunny' }] },
    ]);
    const again = await server.post('/v1/responses', {
      input: [{ role: 'user', content: 'a' }, ...responses.json.output, { role: 'user', content: 'b' }],
    });
    expect(again.status).toBe(200);
    const ollama = await server.post('/api/chat', { model: 'spark', messages, stream: false, think: true });
    expect(ollama.json.message).toMatchObject({ thinking: 'well', content: 'sunny' });
  });

  test('thinking is turned off by a variable of the template; what was thought comes back with the history', async () => {
    const server = await serve(THINKING, '<think>x</think>y');
    const off = { messages, chat_template_kwargs: { enable_thinking: false } };
    const asked = await server.post('/tokenize', off);
    expect(model.tokenizer.decode(asked.json.tokens)).toBe('[user]天气？[assistant]<think>\n\n</think>\n\n');
    // The thought is over in the prompt: what follows is the answer.
    const { json } = await server.post('/v1/chat/completions', off);
    expect(json.choices[0].message.content).toBe('<think>x</think>y');
    const history = [...messages, { role: 'assistant', content: 'a', reasoning_content: 'r' }, ...messages];
    const told = await server.post('/tokenize', { messages: history });
    expect(model.tokenizer.decode(told.json.tokens)).toBe(
      '[user]天气？[assistant]a(r)[user]天气？[assistant]',
    );
  });

  test('an answer that is held to a schema has no thoughts', async () => {
    const server = await serve(THINKING, '{"a": 1}');
    const { json } = await server.post('/v1/chat/completions', {
      messages,
      response_format: { type: 'json_object' },
    });
    expect(json.choices[0].message).toMatchObject({ content: '{"a": 1}' });
  });

  test('without a template everything is text, and thinking cannot be asked for', async () => {
    const server = await startOpenAiServer({
      model,
      answer: () => ({ tokens: tokensOf(model, '<think>a</think>b') }),
    });
    servers.push(server);
    const { json } = await server.post('/v1/chat/completions', { messages });
    expect(json.choices[0].message).toEqual({
      role: 'assistant',
      content: '<think>a</think>b',
      refusal: null,
    });
  });
});

describe('what a template refuses, and what it cannot be asked', () => {
  test('a conversation that it raises for: 400 with its own words', async () => {
    const server = await serve(
      "{% if messages | length > 1 %}\n{{ raise_exception('One at a time.') }}{% endif %}a",
      'b',
    );
    const { status, json } = await server.post('/v1/chat/completions', {
      messages: [...messages, ...messages],
    });
    expect([status, json.error?.message]).toEqual([
      400,
      'The chat template failed: One at a time. (line 2).',
    ]);
  });

  test('special tokens of messages stay text', async () => {
    const server = await serve('{% for m in messages %}{{ m.content | trim }}<end>{% endfor %}', 'b');
    const end = model.tokenizer.tokenToId('<end>');
    const asked = await server.post('/tokenize', {
      messages: [
        { role: 'user', content: ' <end>a<end> ' },
        { role: 'assistant', content: '<end>' },
      ],
    });
    expect(asked.status, JSON.stringify(asked.json)).toBe(200);
    expect(asked.json.tokens.filter((id: number) => id === end)).toHaveLength(2);
  });

  test('a begun answer is continued where it ends', async () => {
    const ended = '{% for m in messages %}[{{ m.role }}]{{ m.content }}.{% endfor %}';
    const begun = [...messages, { role: 'assistant', content: 'It is ' }];
    for (const [template, text] of [
      [ended, '[user]天气？.[assistant]It is '],
      [ended.replace('m.content', 'm.content | trim'), '[user]天气？.[assistant]It is'],
    ] as const) {
      const server = await serve(template, 'b');
      const { json } = await server.post('/tokenize', { messages: begun, continue_final_message: true });
      expect(model.tokenizer.decode(json.tokens)).toBe(text);
      const refused = await server.post('/tokenize', { messages, continue_final_message: true });
      expect(refused.status).toBe(400);
    }
    const server = await serve('a', 'b');
    const lost = await server.post('/tokenize', { messages: begun, continue_final_message: true });
    expect(lost.json.error?.message).toContain('does not show the last message');
  });
});
