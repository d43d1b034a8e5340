/**
 * Prompts and answers of preference records by chat templates, against transformers' apply_chat_template: our own template and,
 * where a folder of them lies under the cache folder, published ones.
 */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sequencesOf } from '../src/data/index.js';
import { loadTokenizer } from '../src/tokenizers/index.js';
import { trainingSettings } from '../src/training/index.js';
import { readRunRows } from '../src/training/run/run-rows.js';
import { chatTokenizerFolder } from './support/chat-tokenizer.js';
import { referencePython, runReference } from './support/reference.js';
import { requiresPython } from './support/requires.js';
import { tinyQwen2 } from './support/tiny-model.js';

const PROGRAM = `
import json, sys
from transformers import PreTrainedTokenizerFast
job = json.load(open(sys.argv[1]))
tokenizer = PreTrainedTokenizerFast.from_pretrained(job["folder"])
ids = lambda messages, template, **more: tokenizer.apply_chat_template(messages, chat_template=template, tokenize=True, return_dict=False, **more)
print(json.dumps([
    {
        "prompt": ids(record["prompt"], template, add_generation_prompt=True, tools=record.get("tools")),
        "sides": [ids(record["prompt"] + record[side], template, tools=record.get("tools")) for side in ("chosen", "rejected")],
    }
    for template in job["templates"] for record in job["records"]]))
`;

const python = referencePython('python');
const cache =
  process.env.XINGHE_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'xinghe');
const published = ['Qwen-Qwen2.5-7B-Instruct', 'Qwen-Qwen3-0.6B', 'meta-llama-Llama-3.1-8B-Instruct']
  .map((name) => join(process.env.XINGHE_CHAT_TEMPLATES ?? join(cache, 'chat-templates'), `${name}.jinja`))
  .filter((path) => existsSync(path));
const CHATML =
  '{% for m in messages %}{{ "<|im_start|>" + m.role + "\\n" + m.content + "<|im_end|>" + "\\n" }}{% endfor %}' +
  '{% if add_generation_prompt %}{{ "<|im_start|>assistant\\n" }}{% endif %}';

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });
const plain = [
  {
    prompt: [user('What is 3 and one?')],
    chosen: [assistant('Four.')],
    rejected: [assistant('Five, I think.')],
  },
  {
    prompt: [{ role: 'system', content: '请简短。' }, user('一'), assistant('甲'), user('二')],
    chosen: [assistant('乙')],
    rejected: [assistant('丙 ?')],
  },
];
const tools = [
  {
    type: 'function',
    function: { name: 'f', description: 'd', parameters: { type: 'object', properties: {} } },
  },
];
const call = (city: string) => ({
  role: 'assistant',
  content: '',
  tool_calls: [{ type: 'function', function: { name: 'f', arguments: { city } } }],
});
const withTools = { tools, prompt: [user('weather?')], chosen: [call('Oslo')], rejected: [call('Rome')] };

interface Expected {
  readonly prompt: number[];
  readonly sides: readonly [number[], number[]];
}

test.each([
  ['chatml', CHATML, plain] as const,
  ...published.map((path) => [path, readFileSync(path, 'utf8'), [...plain, withTools]] as const),
])('prompt, answer and what is learned of it: %s', requiresPython(python), async (_, template, records) => {
  const python = referencePython('python');
  if (python === undefined) throw new Error('no reference Python');
  const folder = mkdtempSync(join(tmpdir(), 'xinghe-preference-template-'));
  const tokenizerFolder = chatTokenizerFolder({ chat_template: template });
  const job = join(folder, 'job.json');
  writeFileSync(job, JSON.stringify({ folder: tokenizerFolder, templates: [template], records }));
  const expected = runReference<Expected[]>(python, PROGRAM, [job]);
  const file = join(folder, 'records.jsonl');
  writeFileSync(file, records.map((record) => JSON.stringify(record)).join('\n'));
  const tokenizer = loadTokenizer(tokenizerFolder);
  const architecture = tinyQwen2(tokenizer.vocabSize);
  const { rows, chatTemplate } = await readRunRows(
    { files: [file], form: 'preference', sequence_length: 4000, learn: 'masked' },
    architecture,
    tokenizer,
    trainingSettings({ steps: 1, micro_batch_size: 1, objective: { loss: 'dpo' } }),
    tokenizerFolder,
  );
  expect(chatTemplate).toBe(template);
  expect(rows.rowCount).toBe(records.length);
  const ends = ['<|im_end|>', '<|eot_id|>', '</s>'].map((token) => tokenizer.tokenToId(token));
  for (const [index, { prompt, sides }] of expected.entries()) {
    const sequences = sequencesOf(await rows.read(index));
    for (const [side, whole] of sides.entries()) {
      const { ids = [], lossMask = [] } = sequences[side] ?? {};
      expect(Array.from(ids)).toEqual(whole);
      expect(whole.slice(0, prompt.length)).toEqual(prompt);
      const end = whole.findIndex((id, at) => at >= prompt.length && ends.includes(id));
      expect(Array.from(lossMask)).toEqual(whole.map((_id, at) => Number(at >= prompt.length && at <= end)));
    }
  }
});
