/**
 * Against transformers' apply_chat_template: prompts, tokens and masks of our own templates, and of published ones where a folder
 * of them (*.jinja) lies under the cache folder as `chat-templates` or is named by XINGHE_CHAT_TEMPLATES.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { chatTokenizerFolder } from '../../../tests/support/chat-tokenizer.js';
import { referencePython, runReference } from '../../../tests/support/reference.js';
import { requires, requiresPython } from '../../../tests/support/requires.js';
import { loadTokenizer } from '../../tokenizers/index.js';
import type { ChatMessage } from '../chat-format.js';
import { templateChat } from './template-chat.js';

const PROGRAM = `
import json, sys
from transformers import PreTrainedTokenizerFast
job = json.load(open(sys.argv[1]))
tokenizer = PreTrainedTokenizerFast.from_pretrained(job["folder"])
stops = set(job["stops"])

def ids(template, messages, **more):
    return tokenizer.apply_chat_template(messages, chat_template=template, tokenize=True, return_dict=False, **more)

answers = []
for case in job["cases"]:
    template, messages, tools = case["template"], case["messages"], case.get("tools")
    more = {"tools": tools, **case.get("values", {})}
    try:
        if messages[-1]["role"] != "assistant":
            answers.append({"prompt": ids(template, messages, add_generation_prompt=True, **more)})
            continue
        whole = ids(template, messages, **more)
        turns = []
        for at, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            prompt = ids(template, messages[:at], add_generation_prompt=True, **more)
            row = ids(template, messages[: at + 1], **more)
            text = lambda first, **how: tokenizer.apply_chat_template(first, chat_template=template, tokenize=False, **how, **more)
            if not text(messages[: at + 1]).startswith(text(messages[:at], add_generation_prompt=True)):
                turns.append(None)
                continue
            nests = row[: len(prompt)] == prompt
            end = next((i + 1 for i in range(len(prompt), len(row)) if row[i] in stops), len(row))
            turns.append({"prompt": prompt, "row": row[:end] if nests else None})
        mask = None
        if "{% generation %}" in template:
            out = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=True, return_dict=True, return_assistant_tokens_mask=True, **more)
            mask = out["assistant_masks"]
        answers.append({"whole": whole, "turns": turns, "mask": mask})
    except Exception as error:
        answers.append({"error": str(error)[:200]})
print(json.dumps(answers))
`;

type Answer =
  | { readonly prompt: number[] }
  | {
      readonly whole: number[];
      readonly turns: readonly ({ readonly prompt: number[]; readonly row: number[] | null } | null)[];
      readonly mask: number[] | null;
    }
  | { readonly error: string };

interface Case {
  readonly name: string;
  readonly template: string;
  readonly messages: readonly Readonly<Record<string, unknown>>[];
  readonly tools?: readonly unknown[];
  readonly values?: Readonly<Record<string, unknown>>;
}

const python = referencePython('python');
const cache =
  process.env.XINGHE_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'xinghe');
const folder = process.env.XINGHE_CHAT_TEMPLATES ?? join(cache, 'chat-templates');
/** ChatML of several releases, Llama 2 and 3.1, Mistral. */
const PUBLISHED =
  /^(chatml|qwen2\.5-instruct|Qwen-Qwen2\.5-7B-Instruct|Qwen-Qwen3-0\.6B|HuggingFaceTB-SmolLM.*|llama-2-chat|llama-3-instruct|meta-llama-Llama-3\.1-8B-Instruct|mistral-instruct|TheBloke-Mistral-7B-Instruct-v0\.1-GPTQ|CISCai-Mistral-7B-Instruct-v0\.3-SOTA-GGUF|mistralai-Mixtral-8x7B-Instruct-v0\.1)\.jinja$/;
const published = existsSync(folder) ? readdirSync(folder).filter((name) => PUBLISHED.test(name)) : [];

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string, more: object = {}) => ({ role: 'assistant', content, ...more });
const tools = [
  {
    type: 'function',
    function: {
      name: 'get_weather',
      description: '天气 <b>',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  },
];
const call = {
  id: 'abc123xyz',
  type: 'function',
  function: { name: 'get_weather', arguments: { city: '北京' } },
};
type Conversation = Omit<Case, 'name' | 'template'>;
const conversations: Readonly<Record<string, Conversation>> = {
  'one question': { messages: [user('Hello  there, a < b [0] |x|')] },
  'a system text': { messages: [{ role: 'system', content: ' Be brief. ' }, user('你好\n')] },
  'a long talk': {
    messages: [user('a'), assistant('b '), user('c?'), assistant('\nd\n'), user('e'), assistant('f')],
  },
  'a talk with a system text': {
    messages: [
      { role: 'system', content: '请简短。' },
      user('一'),
      assistant('甲'),
      user('二'),
      assistant('乙'),
    ],
  },
  thoughts: {
    messages: [
      user('a'),
      assistant('<think>\nhmm\n</think>\n\nb'),
      user('c'),
      assistant('d', { reasoning_content: 'well' }),
    ],
  },
  'no thoughts': { messages: [user('a'), assistant('b'), user('c')], values: { enable_thinking: false } },
  'a call': { messages: [user('weather?'), assistant('', { tool_calls: [call] })], tools },
  'a result': {
    messages: [
      user('weather?'),
      assistant('', { tool_calls: [call] }),
      { role: 'tool', name: 'get_weather', tool_call_id: 'abc123xyz', content: '{"t": 21}' },
      assistant('21 degrees'),
      user('thanks'),
    ],
    tools,
  },
};

/** Written for this test. */
const own: Readonly<Record<string, string>> = {
  'with generation blocks':
    '{% for m in messages %}{{ "<|im_start|>" + m.role + "\\n" }}{% if m.role == "assistant" %}' +
    '{% generation %}{{ m.content + "<|im_end|>" }}{% endgeneration %}{{ "\\n" }}' +
    '{% else %}{{ m.content + "<|im_end|>\\n" }}{% endif %}{% endfor %}' +
    '{% if add_generation_prompt %}{{ "<|im_start|>assistant\\n" }}{% endif %}',
  'answers without an end':
    '{{ bos_token }}{% for m in messages %}{{ "[INST]" if m.role == "user" else "[/INST]" }}{{ m.content | trim }}{% endfor %}' +
    '{% if add_generation_prompt %}[/INST]{% endif %}',
};

function ask(cases: readonly Case[], tokenizerFolder: string, stops: readonly number[]): Answer[] {
  const file = join(mkdtempSync(join(tmpdir(), 'chat-reference-')), 'job.json');
  writeFileSync(file, JSON.stringify({ folder: tokenizerFolder, stops, cases }));
  return runReference(python ?? '', PROGRAM, [file]);
}

function messagesOf({ messages }: Case): ChatMessage[] {
  return messages.map(({ role, content, ...more }) => ({ role, content, more }) as ChatMessage);
}

describe.each([
  ['our own templates', own],
  [
    'published templates',
    Object.fromEntries(published.map((name) => [name, readFileSync(join(folder, name), 'utf8')])),
  ],
])('%s', { ...requiresPython(python), timeout: 300_000 }, (kind, templates) => {
  const isThere = kind !== 'published templates' || published.length > 0;
  test(
    'tokens and what is learned',
    requires(isThere, `no chat templates of other models under ${folder}`),
    () => {
      const tokenizerFolder = chatTokenizerFolder();
      const tokenizer = loadTokenizer(tokenizerFolder);
      const cases = Object.entries(templates).flatMap(([name, template]) =>
        Object.entries(conversations).map(
          ([of, conversation]): Case => ({ name: `${name}: ${of}`, template, ...conversation }),
        ),
      );
      const formats = new Map(
        cases.map((each) => [each, templateChat(each.template, { values: each.values })]),
      );
      const stops = ['</s>', '<|im_end|>', '<|eot_id|>'].map((name) => tokenizer.tokenToId(name) ?? -1);
      const answers = ask(cases, tokenizerFolder, stops);
      let prompts = 0;
      let turns = 0;
      let refused = 0;
      let straddled = 0;
      for (const [index, each] of cases.entries()) {
        const answer = answers[index];
        const format = formats.get(each);
        if (answer === undefined || format === undefined) throw new Error('no answer');
        const render = () => format.renderTrainingRows(messagesOf(each), tokenizer, { tools: each.tools });
        const isPrompt = each.messages.at(-1)?.role !== 'assistant';
        const use = () =>
          isPrompt ? format.renderPrompt(messagesOf(each), tokenizer, { tools: each.tools }) : render();
        const hasCalls = each.messages.some((message) => 'tool_calls' in message);
        const isUnshown =
          (each.tools !== undefined && !/\btools\b/.test(each.template)) ||
          (hasCalls && !/\btool_calls\b/.test(each.template)) ||
          // What was thought, in a row to train on.
          (!isPrompt &&
            each.messages.some((message) => 'reasoning_content' in message) &&
            !/\breasoning_content\b/.test(each.template));
        if (isUnshown) {
          expect(use, each.name).toThrow(/it has no place for/);
        } else if ('error' in answer) {
          expect(use, `${each.name}: ${answer.error}`).toThrow(/^chat template: /);
        } else if ('prompt' in answer) {
          prompts += 1;
          expect(format.renderPrompt(messagesOf(each), tokenizer, { tools: each.tools }), each.name).toEqual(
            answer.prompt,
          );
        } else if (answer.mask !== null) {
          const [row] = render();
          expect(row?.ids, each.name).toEqual(answer.whole);
          expect(row?.lossMask, each.name).toEqual(answer.mask);
          turns += 1;
        } else {
          // What the reference cannot part either is refused.
          if (answer.turns.includes(null)) {
            expect(render, each.name).toThrow(
              /^chat template: what is learned of message \d+ cannot be told/,
            );
            refused += 1;
            continue;
          }
          const rows = render();
          for (const turn of answer.turns) {
            if (turn === null) continue;
            turns += 1;
            const { prompt, row } = turn;
            // Where a token of the reference goes on over the border, ours begins with the prompt all the same.
            const wanted = row ?? prompt;
            if (row !== null && row.length === prompt.length) continue;
            if (row === null) straddled += 1;
            const found = rows.filter(
              ({ ids, lossMask }) =>
                wanted.every((id, at) => id === ids[at]) && lossMask[prompt.length] === 1,
            );
            expect(found.length, each.name).toBe(1);
            const mask = found[0]?.lossMask.slice(prompt.length, wanted.length) ?? [];
            expect(
              mask.every((bit) => bit === 1),
              each.name,
            ).toBe(true);
          }
          const learned = rows.reduce(
            (sum, { lossMask }) => sum + lossMask.filter((bit) => bit === 1).length,
            0,
          );
          const wanted = answer.turns.reduce(
            (sum, turn) => sum + (turn?.row == null ? 0 : turn.row.length - turn.prompt.length),
            0,
          );
          if (answer.turns.every((turn) => turn?.row != null)) expect(learned, each.name).toBe(wanted);
        }
      }
      console.log(
        kind,
        cases.length,
        prompts,
        turns,
        refused,
        straddled,
        answers.filter((answer) => 'error' in answer).length,
      );
      expect(prompts).toBeGreaterThan(0);
      expect(turns).toBeGreaterThan(0);
    },
  );
});
