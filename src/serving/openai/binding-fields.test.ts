/** What binds an answer, and who may bind it: honoured, or a 400 that names the field; never free text under 200. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startOpenAiServer, type TestServer } from '../../../tests/support/openai-server.js';
import { ApiKeys } from '../http/index.js';

const CHAT = '/v1/chat/completions';
const COMPLETIONS = '/v1/completions';
const chat = { messages: [{ role: 'user', content: '你好' }], max_tokens: 4 };
const completion = { prompt: '你好', max_tokens: 4 };
const schema = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] };

let server: TestServer;
beforeAll(async () => {
  server = await startOpenAiServer();
});
afterAll(() => server.close());

describe.each([
  { path: CHAT, body: chat },
  { path: COMPLETIONS, body: completion },
])('$path', ({ path, body }) => {
  test('json_object with a schema is held to it', async () => {
    const { status } = await server.post(path, { ...body, response_format: { type: 'json_object', schema } });
    expect(status).toBe(200);
    expect(server.engine.requests.at(-1)?.grammar).toEqual({ kind: 'json-schema', schema });
  });

  test.each([
    ['response_format.value', { response_format: { type: 'json_object', value: schema } }],
    ['response_format.schema', { response_format: { type: 'text', schema } }],
    ['response_format.schema', { response_format: { type: 'json_schema', json_schema: { schema }, schema } }],
    [
      'response_format.json_schema.regex',
      { response_format: { type: 'json_schema', json_schema: { schema, regex: 'a' } } },
    ],
    ['response_format.type', { response_format: { type: 'structural_tag', structures: [], triggers: [] } }],
    ['response_format.type', { response_format: { type: 'regex', value: 'a' } }],
    ['response_format.type', { response_format: { type: 'grammar', grammar: 'root ::= "a"' } }],
    ['structured_outputs.grammar', { structured_outputs: { json: schema, grammar: 'root ::= "a"' } }],
    ['structured_outputs.structural_tag', { structured_outputs: { regex: 'a', structural_tag: '{}' } }],
    [
      'structured_outputs.whitespace_pattern',
      { structured_outputs: { json: schema, whitespace_pattern: ' ' } },
    ],
    [
      'structured_outputs.disable_any_whitespace',
      { structured_outputs: { json: schema, disable_any_whitespace: true } },
    ],
    ['stop', { use_beam_search: true, stop: ['a'] }],
    ['stop', { use_beam_search: true, n: 2, stop: 'a' }],
    ...[
      ...['guided_json', 'guided_regex', 'guided_choice', 'guided_grammar', 'guided_whitespace_pattern'],
      ...['regex', 'ebnf', 'structural_tag', 'stop_regex', 'grammar', 'json_schema', 'grammar_triggers'],
      ...[
        'n_predict',
        'max_new_tokens',
        'min_new_tokens',
        'stop_sequences',
        'stop_strings',
        'force_words_ids',
      ],
      ...['format', 'text', 'functions', 'function_call', 'logits_processors', 'custom_logit_processor'],
    ].map((name) => [name, { [name]: 'a' }] as const),
  ] as const)('%s: %j is refused by name', async (param, fields) => {
    const { status, json } = await server.post(path, { ...body, ...fields });
    expect([status, json.error?.param]).toEqual([400, param]);
  });

  test('null and false ask for nothing', async () => {
    const { status } = await server.post(path, {
      ...body,
      regex: null,
      response_format: { type: 'text', json_schema: null },
      structured_outputs: { json: schema, grammar: null, disable_any_whitespace: false },
    });
    expect(status).toBe(200);
  });
});

test.each([
  ['tools', [{ type: 'function', function: { name: 'a' } }]],
  ['tool_choice', 'required'],
  ['max_completion_tokens', 3],
])('completions do not know %s, and say so', async (name, value) => {
  const { status, json } = await server.post(COMPLETIONS, { ...completion, [name]: value });
  expect([status, json.error.param]).toEqual([400, name]);
});

describe('with keys', () => {
  const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });
  const keys = new ApiKeys({ keys: ['ann:ann-ann-ann', 'bob:bob-bob-bob'], adminKeys: ['root-root-root'] });

  async function ask(api: TestServer, key: string, more: object): Promise<number> {
    const response = await fetch(`${api.url}${CHAT}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...bearer(key) },
      body: JSON.stringify({ ...chat, ...more }),
    });
    return response.status;
  }

  test('a priority is for admin keys, or where the server says so', async () => {
    const guarded = await startOpenAiServer({ keys });
    expect(await ask(guarded, 'ann-ann-ann', { priority: -1 })).toBe(400);
    expect(await ask(guarded, 'ann-ann-ann', { priority: 1 })).toBe(400);
    expect(await ask(guarded, 'ann-ann-ann', { priority: 0 })).toBe(200);
    expect(await ask(guarded, 'root-root-root', { priority: -1 })).toBe(200);
    expect(guarded.engine.requests.map(({ priority }) => priority)).toEqual([0, -1]);
    await guarded.close();
    const open = await startOpenAiServer({ keys, routes: { allowPriority: true } });
    expect(await ask(open, 'ann-ann-ann', { priority: -1 })).toBe(200);
    await open.close();
  });

  test('a key finds in the cache what was asked with it, unless told otherwise', async () => {
    const salts = async (sharePrefixes: boolean): Promise<(string | undefined)[]> => {
      const api = await startOpenAiServer({ keys, routes: { sharePrefixes } });
      for (const [key, more] of [
        ['ann-ann-ann', {}],
        ['bob-bob-bob', {}],
        ['ann-ann-ann', { cache_salt: 'a' }],
        ['bob-bob-bob', { cache_salt: '["ann",null]' }],
      ] as const)
        expect(await ask(api, key, more)).toBe(200);
      await api.close();
      expect(api.engine.requests.map(({ client }) => client)).toEqual(['ann', 'bob', 'ann', 'bob']);
      return api.engine.requests.map(({ cacheSalt }) => cacheSalt);
    };
    expect(new Set(await salts(false)).size).toBe(4);
    expect(await salts(true)).toEqual([undefined, undefined, 'a', '["ann",null]']);
    await fetch(`${server.url}${CHAT}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...chat, cache_salt: 'own' }),
    });
    expect(server.engine.requests.at(-1)).toMatchObject({ cacheSalt: 'own', client: '127.0.0.1' });
  });
});
