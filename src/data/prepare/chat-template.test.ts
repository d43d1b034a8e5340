/** Answers by a chat template: tools in records, several rows of one dialogue, and what is refused. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { chatTokenizerFolder } from '../../../tests/support/chat-tokenizer.js';
import { loadTokenizer } from '../../tokenizers/index.js';
import { openDataset, prepareDataset } from '../index.js';

const TOOLS =
  '{% if tools %}<|im_start|>system\n{{ tools | tojson }}<|im_end|>\n{% endif %}' +
  '{% for m in messages %}{{ "<|im_start|>" + m.role + "\\n" + m.content }}{% for c in m.tool_calls or [] %}<tool_call>{{ c.function | tojson }}</tool_call>{% endfor %}{{ "<|im_end|>\\n" }}{% endfor %}' +
  '{% if add_generation_prompt %}{{ "<|im_start|>assistant\\n" }}{% endif %}';
const LAST_ONLY =
  '{% for m in messages %}{{ "<|im_start|>" + m.role + "\\n" }}{% if m.role == "assistant" and loop.last %}<think></think>{% endif %}{{ m.content + "<|im_end|>\\n" }}{% endfor %}' +
  '{% if add_generation_prompt %}{{ "<|im_start|>assistant\\n" }}{% endif %}';

const folder = mkdtempSync(join(tmpdir(), 'chat-template-data-'));
let count = 0;
async function prepare(
  template: string | undefined,
  records: readonly object[],
  more: Partial<Parameters<typeof prepareDataset>[0]> = {},
) {
  const name = join(folder, String(count++));
  const tokenizer = chatTokenizerFolder(template === undefined ? {} : { chat_template: template });
  writeFileSync(`${name}.jsonl`, records.map((record) => JSON.stringify(record)).join('\n'));
  const report = await prepareDataset({
    form: 'auto',
    recipe: 'template-sft',
    tokenizer,
    seqLength: 255,
    packing: 'none',
    inputs: [`${name}.jsonl`],
    output: name,
    workers: 1,
    ...more,
  });
  const dataset = openDataset(name);
  const loaded = loadTokenizer(tokenizer);
  const rows: { text: string; learned: string }[] = [];
  for (let place = 0; place < dataset.rowCount; place++) {
    const { ids, lossMask } = await dataset.read(place);
    const all = Array.from(ids).filter((id) => id !== loaded.padTokenId);
    rows.push({
      text: loaded.decode(all),
      learned: loaded.decode(Array.from(ids).filter((_, at) => lossMask[at] === 1)),
    });
  }
  dataset.close();
  return { report, rows, skipped: () => readFileSync(join(name, 'skipped.jsonl'), 'utf8') };
}

const user = { role: 'user', content: '天气？' };
const f = { type: 'function', function: { name: 'f', parameters: {} } };

test('tools, calls and results of a record, in the forms that sets have', async () => {
  const call = (args: unknown) => ({
    role: 'assistant',
    content: null,
    tool_calls: [{ id: 'x', type: 'function', function: { name: 'f', arguments: args } }],
  });
  const end = [
    { role: 'tool', tool_call_id: 'x', content: '3' },
    { role: 'assistant', content: '三' },
  ];
  const { rows, report } = await prepare(
    TOOLS,
    [
      { messages: [user, call({ a: 1 }), ...end], tools: [f] },
      { messages: [user, call('{"a": 1}'), ...end], tools: JSON.stringify([f]) },
      {
        conversations: [
          { from: 'human', value: '天气？' },
          { from: 'function_call', value: '{"name": "f", "arguments": {"a": 1}}' },
          { from: 'observation', value: '3' },
          { from: 'gpt', value: '三' },
        ],
        tools: JSON.stringify([f]),
      },
    ],
    { form: 'xverse' },
  );
  const [first] = rows;
  expect(rows).toEqual([first, first, first]);
  expect(first).toEqual({
    text:
      '<|im_start|>system\n[{"type": "function", "function": {"name": "f", "parameters": {}}}]<|im_end|>\n<|im_start|>user\n天气？<|im_end|>\n' +
      '<|im_start|>assistant\n<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call><|im_end|>\n<|im_start|>tool\n3<|im_end|>\n<|im_start|>assistant\n三<|im_end|>\n',
    learned: '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call><|im_end|>三<|im_end|>',
  });
  expect(report.unreadKeys).toEqual([]);
});

test('a dialogue whose history takes another form has a row for each answer', async () => {
  const { rows, report } = await prepare(LAST_ONLY, [
    {
      messages: [user, { role: 'assistant', content: '晴' }, user, { role: 'assistant', content: '雨' }],
    },
  ]);
  expect(rows.map(({ learned }) => learned)).toEqual([
    '<think></think>晴<|im_end|>',
    '<think></think>雨<|im_end|>',
  ]);
  expect(report.samples).toMatchObject({ read: 1, encoded: 2, used: 2 });
});

test('what a template refuses is a fault of its record, told or counted', async () => {
  const picky = `{% if messages[0].role == "system" %}{{ raise_exception("No system text.") }}{% endif %}${TOOLS}`;
  const records = [
    { messages: [user, { role: 'assistant', content: 'b' }] },
    { messages: [{ role: 'system', content: 's' }, user, { role: 'assistant', content: 'b' }] },
    { messages: [user, { role: 'assistant', content: 'b', reasoning_content: 'c' }] },
  ];
  await expect(prepare(picky, records)).rejects.toThrow(
    /jsonl:2: .*chat_template: No system text\. \(line 1\)\.$/,
  );
  const { rows, skipped } = await prepare(picky, records, { onError: 'skip' });
  expect(rows).toHaveLength(1);
  expect(skipped()).toMatch(/No system text/);
  expect(skipped()).toMatch(/no place for the thoughts of message 2/);
});

test('recipes of families take a named template, and none of them tools without one', async () => {
  const records = [{ messages: [user, { role: 'assistant', content: 'b' }] }];
  const { rows } = await prepare(undefined, records, { recipe: 'xverse-sft', chatTemplate: 'chatml' });
  expect(rows[0]?.learned).toBe('b<|im_end|>');
  await expect(prepare(undefined, records)).rejects.toThrow(/no chat template beside the tokenizer/);
  await expect(prepare(undefined, records, { chatTemplate: 'none' })).rejects.toThrow(
    /one of spark, telechat/,
  );
  await expect(prepare('\n{{', records)).rejects.toThrow(/chat_template: .*\(line 2\)/);
  const calls = [{ messages: [user, { role: 'tool', content: 'x' }, { role: 'assistant', content: 'b' }] }];
  await expect(prepare(undefined, calls, { recipe: 'xverse-sft' })).rejects.toThrow(
    /tool calls need a chat template/,
  );
});
