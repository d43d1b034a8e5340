/** Published templates that join the arguments of calls as texts (DeepSeek and others), against transformers, which is given texts. */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { templateChat } from '../src/models/chat-template/index.js';
import { loadTokenizer } from '../src/tokenizers/index.js';
import { chatTokenizerFolder } from './support/chat-tokenizer.js';
import { referencePython, runReference } from './support/reference.js';
import { requires } from './support/requires.js';

const PROGRAM = `
import json, sys
from transformers import PreTrainedTokenizerFast
job = json.load(open(sys.argv[1]))
tokenizer = PreTrainedTokenizerFast.from_pretrained(job["folder"])
for message in job["messages"]:
    for call in message.get("tool_calls", []):
        call["function"]["arguments"] = json.dumps(call["function"]["arguments"], ensure_ascii=False)
print(json.dumps([tokenizer.apply_chat_template(job["messages"], chat_template=template, tokenize=True, return_dict=False,
    add_generation_prompt=True, tools=job["tools"] if "tools" in template else None) for template in job["templates"]]))
`;

const cache =
  process.env.XINGHE_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'xinghe');
const folder = process.env.XINGHE_CHAT_TEMPLATES ?? join(cache, 'chat-templates');
const templates = ['deepseek-ai-DeepSeek-R1', 'meetkai-functionary-medium-v2.2']
  .map((name) => join(folder, `${name}.jinja`))
  .filter((path) => existsSync(path))
  .map((path) => readFileSync(path, 'utf8'));
const python = referencePython('python');

const parameters = { type: 'object', properties: { city: { type: 'string' } } };
const tools = [{ type: 'function', function: { name: 'get_weather', description: 'd', parameters } }];
const call = (id: string, args: object) => ({
  id,
  type: 'function',
  function: { name: 'get_weather', arguments: args },
});
const messages = [
  { role: 'user', content: 'weather?' },
  {
    role: 'assistant',
    content: '',
    tool_calls: [call('abc123xyz', { city: '北京', days: [1, 2] }), call('b', {})],
  },
  { role: 'tool', name: 'get_weather', tool_call_id: 'abc123xyz', content: '{"t": 21}' },
  { role: 'tool', name: 'get_weather', tool_call_id: 'b', content: 'none' },
] as const;

test(
  'the same tokens',
  requires(
    python !== undefined && templates.length > 0,
    'no reference Python, or no chat templates beside it',
  ),
  () => {
    if (python === undefined) throw new Error('no reference Python');
    const tokenizerFolder = chatTokenizerFolder();
    const job = join(mkdtempSync(join(tmpdir(), 'xinghe-arguments-')), 'job.json');
    writeFileSync(job, JSON.stringify({ folder: tokenizerFolder, templates, messages, tools }));
    const expected = runReference<number[][]>(python, PROGRAM, [job]);
    const tokenizer = loadTokenizer(tokenizerFolder);
    for (const [index, template] of templates.entries()) {
      const own = messages.map(({ role, content, ...more }) => ({ role, content, more }));
      const ids = templateChat(template).renderPrompt(own, tokenizer, {
        tools: /\btools\b/.test(template) ? tools : undefined,
      });
      expect(ids, template).toEqual(expected[index]);
    }
  },
);
