/**
 * Against Jinja2 itself, with the settings of transformers: our own templates, and those of other models where a folder of
 * them (*.jinja) lies under the cache folder as `chat-templates` or is named by XINGHE_CHAT_TEMPLATES.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { referencePython, runReference } from '../../tests/support/reference.js';
import { ChatTemplate } from './template.js';

const PROGRAM = `
import datetime, json, sys
import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

class Generation(Extension):
    tags = {"generation"}
    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("said"), [], [], body).set_lineno(line)
    def said(self, caller):
        return caller()

def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)

def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
env.filters["tojson"] = tojson
env.globals["raise_exception"] = raise_exception
env.globals["strftime_now"] = lambda form: datetime.datetime(2026, 7, 4, 9, 5, 7).strftime(form)
answers = []
for case in json.load(open(sys.argv[1])):
    try:
        answers.append(env.from_string(case["template"]).render(**case["values"]))
    except Exception:
        answers.append(None)
print(json.dumps(answers))
`;

import { requires, requiresPython } from '../../tests/support/requires.js';

const python = referencePython('python') ?? referencePython('clients');
const cache =
  process.env.XINGHE_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'xinghe');
const folder = process.env.XINGHE_CHAT_TEMPLATES ?? join(cache, 'chat-templates');
const published = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.jinja')) : [];

const now = () => new Date(2026, 6, 4, 9, 5, 7);
const user = (content: unknown) => ({ role: 'user', content });
const assistant = (content: string, more: object = {}) => ({ role: 'assistant', content, ...more });
const parameters = {
  type: 'object',
  properties: {
    city: { type: 'string', description: 'the city\'s "name" <now>' },
    days: { type: ['integer', 'null'], default: null },
    ratio: { type: 'number', minimum: 0.5 },
  },
  required: ['city'],
};
const tools = [{ type: 'function', function: { name: 'get_weather', description: '天气', parameters } }];
const argument = { city: '北京', days: 3, nested: { a: [1, 2.5, null, true] }, quote: 'it\'s "so"' };
const call = { id: 'abc123xyz', type: 'function', function: { name: 'get_weather', arguments: argument } };
const conversations: Readonly<Record<string, object>> = {
  question: { messages: [user('Hello  there')], add_generation_prompt: true },
  system: {
    messages: [
      { role: 'system', content: ' Be brief. ' },
      user('你好\n'),
      assistant('您好！ '),
      user('again?'),
    ],
    add_generation_prompt: true,
  },
  complete: {
    messages: [user('a'), assistant('b'), user('c'), assistant('d')],
    add_generation_prompt: false,
  },
  thought: {
    messages: [
      user('a'),
      assistant('<think>\nhmm\n</think>\n\nb'),
      user('c'),
      assistant('x', { reasoning_content: 'r' }),
    ],
    enable_thinking: false,
  },
  tools: { messages: [user('weather?')], tools, add_generation_prompt: true },
  calls: {
    messages: [
      user('weather?'),
      assistant('', { tool_calls: [call] }),
      { role: 'tool', name: 'get_weather', tool_call_id: 'abc123xyz', content: '{"t": 21}' },
      assistant('21 degrees'),
      user('thanks'),
    ],
    tools,
    add_generation_prompt: true,
  },
  parts: {
    messages: [
      user([
        { type: 'text', text: 'one' },
        { type: 'text', text: 'two' },
      ]),
    ],
    add_generation_prompt: true,
  },
  'two questions': { messages: [user('a'), user('b')], add_generation_prompt: true },
};
const tokens = { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>', pad_token: '<pad>' };

/** The same values with special tokens in every content. */
function bracketed(values: Record<string, unknown>): Record<string, unknown> {
  const inside = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(inside);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, each]) => [
        key,
        ['content', 'text', 'description', 'city', 'quote'].includes(key) && typeof each === 'string'
          ? `<|im_start|>${each}[INST] <｜User｜></s>`
          : inside(each),
      ]),
    );
  };
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, inside(value)]));
}

interface Case {
  readonly name: string;
  readonly template: string;
  readonly values: Record<string, unknown>;
}

function answersOfJinja(interpreter: string, cases: readonly Case[]): (string | null)[] {
  const file = join(mkdtempSync(join(tmpdir(), 'templates-')), 'cases.json');
  writeFileSync(file, JSON.stringify(cases));
  return runReference(interpreter, PROGRAM, [file]);
}

function ours({ template, values }: Case): string | null {
  try {
    return new ChatTemplate(template).render(values, { now });
  } catch {
    return null;
  }
}

test('our own templates', { ...requiresPython(python, 'clients'), timeout: 300_000 }, () => {
  const { values, cases } = JSON.parse(
    readFileSync(new URL('./template-cases.json', import.meta.url), 'utf8'),
  );
  const all: Case[] = cases.map((each: { name: string; template: string }) => ({ ...each, values }));
  const theirs = answersOfJinja(python ?? '', all);
  for (const [index, each] of all.entries()) expect(ours(each), each.name).toBe(theirs[index]);
});

test('published templates, each with every conversation', {
  ...requiresPython(python, 'clients'),
  ...requires(published.length > 0, `no chat templates of other models under ${folder}`),
  timeout: 300_000,
}, () => {
  const cases = published.flatMap((name) =>
    Object.entries(conversations).map(([kind, values]): Case => {
      const template = readFileSync(join(folder, name), 'utf8');
      return { name: `${name}: ${kind}`, template, values: { ...tokens, ...values } };
    }),
  );
  const theirs = answersOfJinja(python ?? '', cases);
  for (const [index, each] of cases.entries()) {
    expect(ours(each), each.name).toBe(theirs[index]);
    if (theirs[index] === null) continue;
    // Texts full of brackets can be followed through every one of them.
    const { marked } = new ChatTemplate(each.template).renderMarked(bracketed(each.values), tokens, { now });
    expect(marked, each.name).toBeDefined();
  }
  expect(theirs.filter((text) => text !== null).length).toBeGreaterThan(cases.length / 2);
});
