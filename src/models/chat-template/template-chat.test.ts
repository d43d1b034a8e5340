/** Chat formats out of templates written here: prompts, what may not be forged, rows to train on, and refusals. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  CONTROL_TOKENS,
  chatTokenizerFolder,
  VISIBLE_TOKENS,
} from '../../../tests/support/chat-tokenizer.js';
import { loadTokenizer } from '../../tokenizers/index.js';
import type { ChatMessage } from '../chat-format.js';
import { xverseChat } from '../xverse/chat-format.js';
import { chooseChat } from './choose-chat.js';
import { templateChat } from './template-chat.js';

const user = (content: string): ChatMessage => ({ role: 'user', content });
const assistant = (content: string, more?: Record<string, unknown>): ChatMessage => ({
  role: 'assistant',
  content,
  more,
});
const system = (content: string): ChatMessage => ({ role: 'system', content });

const folder = chatTokenizerFolder();
const tokenizer = loadTokenizer(folder);
const id = (token: string): number => tokenizer.tokenToId(token) ?? -1;
const OPEN = '{% if add_generation_prompt %}{{ "<|im_start|>assistant\\n" }}{% endif %}';
const CHATML = `{% for m in messages %}{{ "<|im_start|>" + m.role + "\\n" + m.content + "<|im_end|>\\n" }}{% endfor %}${OPEN}`;
/** Earlier thoughts are left out of history, and every last answer has one. */
const FORGETFUL =
  '{% for m in messages %}{{ "<|im_start|>" + m.role + "\\n" }}' +
  '{% set said = m.content.split("</think>")[-1].lstrip("\\n") %}' +
  '{% if m.role == "assistant" and loop.last %}{{ "<think>\\n" + (m.content.split("</think>")[0].split("<think>")[-1].strip("\\n") if "</think>" in m.content else "") + "\\n</think>\\n\\n" + said }}' +
  '{% elif m.role == "assistant" %}{{ said }}{% else %}{{ m.content }}{% endif %}{{ "<|im_end|>\\n" }}{% endfor %}' +
  OPEN;

const chatml = templateChat(CHATML);
const count = (ids: readonly number[], names: readonly string[]): number => {
  const wanted = new Set(names.map(id));
  return ids.filter((each) => wanted.has(each)).length;
};

test('a prompt is the rendered text, and nothing is added', () => {
  const ids = chatml.renderPrompt([system('s'), user('你好')], tokenizer);
  expect(tokenizer.decode(ids)).toBe(
    '<|im_start|>system\ns<|im_end|>\n<|im_start|>user\n你好<|im_end|>\n<|im_start|>assistant\n',
  );
  expect(ids[0]).toBe(id('<|im_start|>'));
  expect(chatml.stopTokenIds(tokenizer)).toEqual([id('<|im_end|>'), id('</s>')]);
  expect(chatml.renderPrompt([system(''), user('你好')], tokenizer)).toEqual(
    chatml.renderPrompt([user('你好')], tokenizer),
  );
});

describe('what a message spells is text', () => {
  const strip =
    '{% for m in messages %}{{ "<|im_start|>" + m.role + "\\n" + (m.content | trim).replace("~", "") + "<|im_end|>\\n" }}{% endfor %}';
  test.each([
    ['as it is', CHATML, (token: string) => `问${token}答`],
    ['alone', CHATML, (token: string) => token],
    ['within others', CHATML, (token: string) => `<${token}>|[${token}]${token}${token}`],
    ['stripped', strip, (token: string) => `  ${token}\n`],
    ['put together by what is taken out', strip, (token: string) => `${token[0]}~${token.slice(1)}`],
    ['full-width', CHATML, (token: string) => token.replaceAll('<', '＜').replaceAll('>', '＞')],
  ])('%s', (_, template, spell) => {
    const format = templateChat(template);
    for (const role of ['user', 'assistant', 'system', 'tool'] as const)
      for (const token of CONTROL_TOKENS) {
        const messages = (content: string): ChatMessage[] => [{ role, content }, user('a')];
        const plain = count(format.renderPrompt(messages('b'), tokenizer), CONTROL_TOKENS);
        const ids = format.renderPrompt(messages(spell(token)), tokenizer);
        expect(count(ids, CONTROL_TOKENS), `${role}: ${token}`).toBe(plain);
      }
  });

  test('the assistant may spell thoughts and calls, the others may not', () => {
    for (const token of VISIBLE_TOKENS) {
      expect(count(chatml.renderPrompt([user(token)], tokenizer), VISIBLE_TOKENS)).toBe(0);
      const row = chatml.renderTraining([user('a'), assistant(`${token}b`)], tokenizer);
      expect(count(row.ids, VISIBLE_TOKENS)).toBe(1);
    }
  });

  test('unless it is asked for', () => {
    const ids = chatml.renderPrompt([user('a<|im_end|>')], tokenizer, { parsesSpecial: true });
    expect(count(ids, ['<|im_end|>'])).toBe(2);
  });

  test('brackets that spell nothing change no id', () => {
    for (const content of ['a < b', '[1] | x', '<div class="a">', 'if (a<b && c>d) {}', '<|im_', '＜＞'])
      expect(chatml.renderPrompt([user(content)], tokenizer)).toEqual(
        tokenizer.encode(`<|im_start|>user\n${content}<|im_end|>\n<|im_start|>assistant\n`),
      );
  });

  test('names and arguments of tools are text too', () => {
    const format = templateChat(
      '{% for t in tools %}<{{ t.name }}>{{ t | tojson }}{% endfor %}{{ messages[0].content }}',
    );
    const ids = format.renderPrompt([user('a')], tokenizer, {
      tools: [{ name: '|im_end|', '<|im_start|>': '</s>' }],
    });
    expect(count(ids, CONTROL_TOKENS)).toBe(0);
  });
});

describe('rows to train on', () => {
  const learned = ({ ids, lossMask }: { ids: readonly number[]; lossMask: readonly number[] }): string =>
    ids
      .map((each, at) => (lossMask[at] === 1 ? tokenizer.idToToken(each) : '·'))
      .join('')
      .replace(/·+/g, '·');

  test('answers with their end are learned, in one row', () => {
    const talk = [system('s'), user('a'), assistant('b'), user('c'), assistant('d')];
    const rows = chatml.renderTrainingRows(talk, tokenizer);
    expect(rows.map(learned)).toEqual(['·b<|im_end|>·d<|im_end|>·']);
    expect(learned(chatml.renderTraining(talk, tokenizer, { answers: 'last' }))).toBe('·d<|im_end|>·');
    const marked = talk.map((message, at) => ({ ...message, isLearned: at === 2 }));
    expect(learned(chatml.renderTraining(marked, tokenizer))).toBe('·b<|im_end|>·');
  });

  test('history in another form: each answer stands as it was given', () => {
    const format = templateChat(FORGETFUL);
    const talk = [user('a'), assistant('<think>\nx\n</think>\n\nb'), user('c'), assistant('d')];
    const rows = format.renderTrainingRows(talk, tokenizer);
    expect(rows.length).toBe(2);
    for (const [at, messages] of [talk.slice(0, 2), talk].entries()) {
      const prompt = format.renderPrompt(messages.slice(0, -1), tokenizer);
      expect(rows[at]?.ids.slice(0, prompt.length)).toEqual(prompt);
      expect(rows[at]?.lossMask.indexOf(1)).toBe(prompt.length);
    }
    expect(rows[0]?.ids).toContain(id('<think>'));
    expect(() => format.renderTraining(talk, tokenizer)).toThrow(/takes 2 rows/);
    expect(format.renderTraining(talk, tokenizer, { answers: 'last' }).ids).toEqual(rows[1]?.ids);
  });

  test('a block of generation is learned as it is, and the end token behind it', () => {
    const format = templateChat(
      '{% for m in messages %}{{ "<|im_start|>" + m.role + "\\n" }}{% if m.role == "assistant" %}' +
        '{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{{ "<|im_end|>\\n" }}{% endfor %}',
    );
    const talk = [user('a'), assistant('b'), user('c'), assistant('d')];
    expect(format.renderTrainingRows(talk, tokenizer).map(learned)).toEqual(['·b<|im_end|>·d<|im_end|>·']);
  });

  test('a block within a macro cannot be found; the prompts tell then', () => {
    const format = templateChat(
      `{% macro say(m) %}{% generation %}{{ m.content }}{% endgeneration %}{% endmacro %}{% for m in messages %}{{ "<|im_start|>" + m.role + "\\n" + say(m) + "<|im_end|>\\n" }}{% endfor %}${OPEN}`,
    );
    expect(format.renderTrainingRows([user('a'), assistant('b')], tokenizer).map(learned)).toEqual([
      '·b<|im_end|>·',
    ]);
  });

  test('a token that would go on over the border is cut there', () => {
    const glued = '{% for m in messages %}{{ m.content }}{% endfor %}';
    const format = templateChat(glued);
    const pair = [user('x ='), assistant('= y')];
    const prompt = format.renderPrompt(pair.slice(0, 1), tokenizer);
    const row = format.renderTraining(pair, tokenizer);
    expect(row.ids.slice(0, prompt.length)).toEqual(prompt);
    expect(row.lossMask.indexOf(1)).toBe(prompt.length);
    expect(tokenizer.decode(row.ids)).toBe('x == y');
  });

  test('what one template writes two ways is refused, and where', () => {
    const format = templateChat(
      '{{ messages[0].content }}{% if add_generation_prompt %}<think>{% else %}!{{ messages[1].content }}{% endif %}',
    );
    expect(() => format.renderTrainingRows([user('ab'), assistant('c')], tokenizer)).toThrow(
      /^chat template: what is learned of message 2 cannot be told: .* differ from character 3 on \("<think>" and "!c"\)/,
    );
  });

  test('tools, calls and thoughts that a template does not show are refused', () => {
    const call = [{ type: 'function', function: { name: 'f', arguments: {} } }];
    expect(() => chatml.renderPrompt([user('a')], tokenizer, { tools: [{}] })).toThrow(
      /no place for the tools/,
    );
    expect(() =>
      chatml.renderTrainingRows([user('a'), assistant('', { tool_calls: call })], tokenizer),
    ).toThrow(/no place for the tool calls of message 2/);
    expect(() =>
      chatml.renderTrainingRows([user('a'), assistant('b', { reasoning_content: 'c' })], tokenizer),
    ).toThrow(/no place for the thoughts of message 2/);
  });
});

test('the oldest rounds are left out where the prompt is too long, the system text is kept', () => {
  const talk = [system('s'), user('a'.repeat(300)), assistant('b'), user('c')];
  const short = chatml.renderPrompt([system('s'), user('c')], tokenizer);
  expect(chatml.renderPrompt(talk, tokenizer, { maxLength: short.length + 5 })).toEqual(short);
  expect(() => chatml.renderPrompt(talk, tokenizer, { maxLength: 3 })).toThrow(
    /the last message makes a prompt/,
  );
});

test.each([
  ['{{ raise_exception("Only one question.") }}', /^chat template: Only one question\. \(line 1\)\.$/],
  [
    '\n{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}',
    /more than 5000000 steps \(line 2\)/,
  ],
])('a template that fails: %s', (template, message) => {
  const format = templateChat(template);
  expect(() => format.renderPrompt([user('a')], tokenizer)).toThrow(message);
  expect(() => format.renderTrainingRows([user('a'), assistant('b')], tokenizer)).toThrow(message);
});

test('bad syntax is told when the format is made', () => {
  expect(() => templateChat('\n{% if %}', { source: 'a.jinja' })).toThrow(/^a\.jinja: .*\(line 2\)\.$/);
});

describe('which format', () => {
  const model = (config: object, own = false) => ({
    paths: [chatTokenizerFolder({ ...config })] as const,
    endTokenIds: [],
    own: own ? xverseChat([3]) : undefined,
  });
  const prompt = (chosen: ReturnType<typeof chooseChat>): string =>
    tokenizer.decode(chosen?.format.renderPrompt([user('q')], tokenizer) ?? []);

  test('the template of the folder, and that of its own file first', () => {
    const text = model({ chat_template: 'one{{ messages[0].content }}' });
    expect(prompt(chooseChat(text))).toBe('oneq');
    writeFileSync(join(text.paths[0], 'chat_template.jinja'), 'two{{ messages[0].content }}');
    expect(prompt(chooseChat(text))).toBe('twoq');
    expect(chooseChat(model({}))).toBeUndefined();
  });

  test('a list of templates', () => {
    const chat_template = [
      { name: 'default', template: 'plain{{ messages[0].content }}' },
      { name: 'tool_use', template: '{{ tools | length }}{{ messages[0].content }}' },
      { name: 'rag', template: 'rag{{ messages[0].content }}' },
    ];
    const chosen = chooseChat(model({ chat_template }));
    expect(prompt(chosen)).toBe('plainq');
    const withTools = chosen?.format.renderPrompt([user('q')], tokenizer, { tools: [1, 2] }) ?? [];
    expect(tokenizer.decode(withTools)).toBe('2q');
    expect(prompt(chooseChat(model({ chat_template }), { template: 'rag' }))).toBe('ragq');
    expect(() => chooseChat(model({ chat_template: [{ name: 'default' }] }))).toThrow(
      /chat_template\[0\] is no/,
    );
    expect(() => chooseChat(model({ chat_template: 3 }))).toThrow(/expected a text, or a list/);
  });

  test("a family's own format, unless another is named", () => {
    const own = model({ chat_template: 'folder{{ messages[0].content }}' }, true);
    expect(chooseChat(own)?.kind).toBe('own');
    expect(prompt(chooseChat(own, { template: 'model' }))).toBe('folderq');
    expect(prompt(chooseChat(own, { template: 'chatml' }))).toContain('<|im_start|>user\nq<|im_end|>');
    const file = join(own.paths[0], 'mine.jinja');
    writeFileSync(file, '{{ who }}: {{ messages[0].content }}');
    expect(prompt(chooseChat(own, { template: file, values: { who: 'me' } }))).toBe('me: q');
    expect(() => chooseChat(own, { template: 'nothing' })).toThrow(
      /nothing is no file and no name of a format; .*model, spark, telechat, telechat52b, xverse, chatml\.$/,
    );
    expect(() => chooseChat(own, { values: { who: 'me' } })).toThrow(/who are variables of chat templates/);
    expect(() => chooseChat(model({}), { template: 'model' })).toThrow(/no chat template there/);
  });
});

describe('arguments of calls', () => {
  const shown = (args: string): string =>
    `{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or [] %}${args}{% endfor %}<|im_end|>{% endfor %}`;
  const calling = assistant('', {
    tool_calls: [{ type: 'function', function: { name: 'f', arguments: { a: [1, true], 乙: 'x' } } }],
  });
  const JSON_TEXT = '{"a": [1, true], "乙": "x"}';

  test.each([
    ['joined', "{{ 'json ' + c.function.arguments }}", `json ${JSON_TEXT}`],
    ['joined by ~', "{{ 'json ' ~ c.function.arguments }}", `json ${JSON_TEXT}`],
    ['printed', '{{ c.function.arguments }}', JSON_TEXT],
    ['as JSON', '{{ c.function.arguments | tojson }}', JSON_TEXT],
    [
      'gone over',
      '{% for k, v in c.function.arguments | items %}{{ k }}={{ v }};{% endfor %}',
      'a=[1, True];乙=x;',
    ],
    ['either', '{{ c.function.arguments if c.function.arguments is string else "object" }}', 'object'],
  ])('%s', (_, args, text) => {
    const chat = templateChat(shown(args));
    const { ids } = chat.renderTraining([user('q'), calling], tokenizer, { answers: 'last' });
    expect(tokenizer.decode(ids)).toBe(`q<|im_end|>${text}<|im_end|>`);
  });

  test('a joined argument forges no token, and a fault that is another is told', () => {
    const forged = assistant('', {
      tool_calls: [{ function: { name: 'f', arguments: { a: '<|im_end|>' } } }],
    });
    const chat = templateChat(shown("{{ 'json ' + c.function.arguments }}"));
    const { ids } = chat.renderTraining([user('q'), forged], tokenizer, { answers: 'last' });
    expect(count(ids, ['<|im_end|>'])).toBe(2);
    expect(() =>
      templateChat(shown('{{ 1 + c.function.arguments }}')).renderTraining([user('q'), calling], tokenizer),
    ).toThrow("unsupported operand type(s) for +: 'int' and 'dict'");
  });
});
