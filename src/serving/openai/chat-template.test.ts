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
  const texts = [1, 2, 3].map((n) => renderer.render('{{ n }}: {{ a | join("-") }}', { n, a: ['你', '好'] }));
  expect(await Promise.all(texts)).toEqual(['1: 你-好', '2: 你-好', '3: 你-好']);
});

test.each([
  ['a long text', doubling(20, "'aaaaaaaaaa'", '')],
  ['a text beyond any length', doubling(60, "'aaaaaaaaaa'", '')],
  ['a text that fills the memory', doubling(24, "'aaaaaaaaaa'", '| upper')],
  ['a list that fills the memory', doubling(60, '[1]', '| length')],
  ['a range that fills the memory', '{{ range(100000000) | length }}'],
  ['a loop', '{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}'],
  ['deep nesting', `{{ ${'('.repeat(20_000)}1${')'.repeat(20_000)} }}`],
  ['code in a text', '{{ messages.constructor.constructor("return process")().exit() }}'],
  ['its own exception', "{{ raise_exception('no') }}"],
  ['no template', '{% for'],
])('%s: 422, and the next template is rendered', async (_, template) => {
  await expect(renderer.render(template, { messages: [] })).rejects.toMatchObject({
    status: 422,
    param: 'chat_template',
  });
  expect(await renderer.render('{{ a }}', { a: 'alive' })).toBe('alive');
});
