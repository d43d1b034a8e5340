import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { InputError } from '../errors/index.js';
import { originAt, unmarked } from './given-marks.js';
import { ChatTemplate } from './template.js';
import { TemplateError } from './template-error.js';

interface Cases {
  readonly values: Record<string, unknown>;
  /** What Jinja2 3.1.6 gives with transformers' settings; `reference.test.ts` asks it again where it is there. */
  readonly cases: readonly { readonly name: string; readonly template: string; readonly expected: string }[];
}

// Written by hand but for `expected`.
const { values, cases } = JSON.parse(
  readFileSync(new URL('./template-cases.json', import.meta.url), 'utf8'),
) as Cases;
const now = () => new Date(2026, 6, 4, 9, 5, 7);

test.each(cases)('$name', ({ template, expected }) => {
  expect(new ChatTemplate(template).render(values, { now })).toBe(expected);
});

test.each(cases)('marks change nothing: $name', ({ template, expected }) => {
  const { text, marked } = new ChatTemplate(template).renderMarked(values, {}, { now });
  expect(text).toBe(expected);
  expect(unmarked(marked ?? '')).toBe(text);
});

test('marks tell where brackets came from, whatever became of the texts', () => {
  const template =
    '<a>{{ messages[0].content | trim }}<b>{{ messages[1].content.split("</x>")[-1].replace("-", "") }}' +
    '{{ messages[0].content.startswith(" <") }}{{ "<" in messages[0].content }}{{ tools | tojson }}';
  const given = {
    messages: [
      { role: 'user', content: ' <a> ' },
      { role: 'assistant', content: '<x>-</x><-b>' },
    ],
    tools: [{ '<k>': '[v]' }],
  };
  const { text, marked = '' } = new ChatTemplate(template).renderMarked(given, {});
  expect(text).toBe('<a><a><b><b>TrueTrue[{"<k>": "[v]"}]');
  const origins = Array.from(text, (_, index) => originAt(marked, index)[0]).join('');
  const shown = Array.from(text, (unit, index) => (/[<>[\]]/.test(unit) ? origins[index] : ' ')).join('');
  expect(shown).toBe('t tg gt ta a        t  g g    g g  t');
});

describe('faults are named with their line', () => {
  test.each([
    ['a\n{{ x | nothing }}', 'there is no filter named "nothing" (line 2)'],
    ['\n\n{{ x is odder }}', 'there is no test named "odder" (line 3)'],
    ['{{ foo(1) }}', "'foo' is undefined (line 1)"],
    ['\n{{ d.a.b.c }}', "'dict object' has no attribute 'b' (line 2)"],
    ['{% for x in y %}', '"endfor" is missing (line 1)'],
    ['{% endif %}', '"endif" ends nothing here (line 1)'],
    ['{% include "a" %}', 'the statement "include" is not supported (line 1)'],
    ['{{ 1 +', 'an output is not closed (line 1)'],
    ['{{ (1] }}', '"]" closes nothing (line 1)'],
    ['{# a', 'a comment is not closed (line 1)'],
    ['{% raw %}', 'a raw block is not closed (line 1)'],
    ['{{ a b }}', 'expected "}}", found "b" (line 1)'],
    ['\n{{ raise_exception("No.") }}', 'No. (line 2)'],
    ['{{ 1 / 0 }}', 'division by zero (line 1)'],
    ['{{ "a" + 1 }}', 'can only concatenate str (not "int") to str (line 1)'],
    ['{{ messages.append(1) }}', 'would change a value that was given'],
    ['{{ range(100001) }}', 'Range too big'],
    ['{{ [1, none]|sort }}', "'<' not supported between instances of"],
    ['{% break %}', '"break" outside a loop (line 1)'],
  ])('%s', (template, message) => {
    const render = () => new ChatTemplate(template).render({ ...values, messages: [] });
    expect(render).toThrow(TemplateError);
    expect(render).toThrow(InputError);
    expect(render).toThrow(message);
  });

  test('an unknown filter in a branch that is not taken is found as well', () => {
    expect(() => new ChatTemplate('{% if false %}{{ 1|nothing }}{% endif %}')).toThrow(
      'no filter named "nothing"',
    );
  });
});

describe('nothing goes on for ever', () => {
  const limits = { maxSteps: 100_000, maxLength: 10_000 };
  const doubling = (first: string) =>
    `{% set ns = namespace(x=${first}) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}`;

  test.each([
    ['a loop', '{% for i in range(9000) %}{% for j in range(9000) %}{% endfor %}{% endfor %}', 'steps'],
    ['a text', doubling("'ab'"), 'more than 10000'],
    ['a list', doubling('[1]'), 'more than'],
    ['repetition', "{{ 'ab' * 1000000000 }}", 'more than'],
    ['output', '{% for i in range(9000) %}aaaaaaaaaa{% endfor %}', 'more than 10000 characters'],
    ['a macro that calls itself', '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}', 'too deep'],
    ['a width', "{{ '%999999999d' % 1 }}", 'at most'],
    ['brackets', `{{ ${'('.repeat(20_000)}1${')'.repeat(20_000)} }}`, 'nested too deep'],
    ['blocks', '{% if true %}'.repeat(5000), 'nested too deep'],
  ])('%s', (_, template, message) => {
    expect(() => new ChatTemplate(template).render({}, limits)).toThrow(TemplateError);
    expect(() => new ChatTemplate(template).render({}, limits)).toThrow(message);
  });
});
