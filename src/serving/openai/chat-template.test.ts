import { afterEach, expect, test } from 'vitest';
import { TemplateRenderer } from './chat-template.js';

let renderer = new TemplateRenderer();
afterEach(async () => {
  await renderer.close();
  renderer = new TemplateRenderer();
});

const doubling = (rounds: number, first: string, rest: string): string =>
  `{% set ns = namespace(x=${first}) %}{% for i in range(${rounds}) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x ${rest} }}`;

test('values go in, text comes out, in the order of the calls', async () => {
  const texts = [1, 2, 3].map((n) =>
    renderer.render('{{ n }}: {{ a | join("-") }}', { values: { n, a: ['你', '好'] } }),
  );
  expect((await Promise.all(texts)).map(({ text }) => text)).toEqual(['1: 你-好', '2: 你-好', '3: 你-好']);
});

test.each([
  ['a long text', doubling(20, "'aaaaaaaaaa'", '')],
  ['a text beyond any length', doubling(60, "'aaaaaaaaaa'", '')],
  ['a text that fills the memory', doubling(24, "'aaaaaaaaaa'", '| upper')],
  ['a list that fills the memory', doubling(60, '[1]', '| length')],
  ['a range that fills the memory', '{{ range(100000000) | length }}'],
  ['a loop', '{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}'],
  ['code in a text', '{{ messages.constructor.constructor("return process")().exit() }}'],
])('%s: 422, and the next template is rendered', async (_, template) => {
  await expect(renderer.render(template, { values: { messages: [] } })).rejects.toMatchObject({
    status: 422,
    param: 'chat_template',
  });
  expect((await renderer.render('{{ a }}', { values: { a: 'alive' } })).text).toBe('alive');
});

test.each([
  ['a\n{{ b|nothing }}', 'there is no filter named "nothing" (line 2)'],
  ['{% for', 'a block is not closed (line 1)'],
  [`{{ ${'('.repeat(20_000)}1${')'.repeat(20_000)} }}`, 'nested too deep'],
  ["{{ raise_exception('no') }}", 'no (line 1)'],
  ["\n{% if true %}{{ raise_exception('no') }}{% endif %}", 'no (line 2)'],
])('%s: 400, since it is no template, or refuses the conversation itself', async (template, message) => {
  await expect(renderer.render(template, { values: {} })).rejects.toMatchObject({
    status: 400,
    param: 'chat_template',
    message: expect.stringContaining(message),
  });
});
