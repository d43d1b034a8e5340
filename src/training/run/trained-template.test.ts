/** A dataset that was prepared by a chat template hands it on to the model that is trained on it. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { chatTokenizerFolder } from '../../../tests/support/chat-tokenizer.js';
import { parseConfig } from '../../config/index.js';
import { mergeDatasets, prepareDataset } from '../../data/index.js';
import { listenToLog } from '../../log/index.js';
import { chooseModelChat, loadModel } from '../../models/index.js';
import { loadTokenizer } from '../../tokenizers/index.js';
import { runTraining } from './run.js';
import { trainConfigSchema } from './run-config.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-trained-template-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Ours, told from every published one by its marks. */
const TEMPLATE =
  '{% for m in messages %}{{ "<|im_start|>" + m.role + ": " + m.content + "<|im_end|>" }}{% endfor %}' +
  '{% if add_generation_prompt %}{{ "<|im_start|>assistant: " }}{% endif %}';
const OTHER = TEMPLATE.replaceAll(': ', '\\n');
const templateFile = join(folder, 'template.jinja');
writeFileSync(templateFile, TEMPLATE);
const otherFile = join(folder, 'other.jinja');
writeFileSync(otherFile, OTHER);
const records = join(folder, 'records.jsonl');
writeFileSync(
  records,
  Array.from({ length: 4 }, (_, index) =>
    JSON.stringify({
      messages: [
        { role: 'user', content: `what is ${index}?` },
        { role: 'assistant', content: `twice ${index / 2}` },
      ],
    }),
  ).join('\n'),
);

async function prepared(name: string, tokenizer: string, chatTemplate: string | undefined): Promise<string> {
  const output = join(folder, name);
  await prepareDataset({
    form: 'messages',
    recipe: chatTemplate === undefined ? 'xverse-sft' : 'template-sft',
    tokenizer,
    seqLength: 63,
    inputs: [records],
    output,
    workers: 1,
    chatTemplate,
  });
  return output;
}

/** @returns what the run logs, and its last folder */
async function trained(
  name: string,
  tokenizer: string,
  dataset: string | string[],
  family: 'llama' | 'xverse',
): Promise<{ log: string; final: string }> {
  const output = join(folder, name);
  const config = parseConfig(
    trainConfigSchema,
    {
      output,
      model: {
        tokenizer,
        config: {
          model_type: family,
          vocab_size: loadTokenizer(tokenizer).vocabSize,
          hidden_size: 16,
          intermediate_size: 24,
          num_hidden_layers: 1,
          num_attention_heads: 2,
          num_key_value_heads: 2,
        },
      },
      data: { dataset },
      training: { steps: 1, micro_batch_size: 1 },
    },
    { source: 'test' },
  );
  const lines: string[] = [];
  const stop = listenToLog((line) => lines.push(line));
  try {
    await runTraining(config);
  } finally {
    stop();
  }
  return { log: lines.join('\n'), final: join(output, 'final') };
}

/** How chat and serve would talk to it. */
function chatOf(final: string): string | undefined {
  const { model, architecture } = loadModel(final);
  model.dispose();
  const chosen = chooseModelChat(architecture, [final]);
  return chosen?.kind === 'template' ? chosen.text : chosen?.kind;
}

describe('the template of a prepared dataset', () => {
  test('is in final/, in the place of the one that the tokenizer brings along, which is said', async () => {
    const own = chatTokenizerFolder({ chat_template: OTHER });
    const rows = await prepared('rows', own, templateFile);
    expect(JSON.parse(readFileSync(join(rows, 'index.json'), 'utf8')).chat_template).toBe(TEMPLATE);
    const { log, final } = await trained('replaced', own, rows, 'llama');
    expect(chatOf(final)).toBe(TEMPLATE);
    expect(log).toContain('the dialogues are in another chat template than');
  });

  test('that of the tokenizer itself is recorded too, and nothing needs saying', async () => {
    const own = chatTokenizerFolder({ chat_template: TEMPLATE });
    const rows = await prepared('own-rows', own, 'model');
    const { log, final } = await trained('own', own, rows, 'llama');
    expect(chatOf(final)).toBe(TEMPLATE);
    expect(log).not.toContain('chat template');
  });

  test('without one beside the tokenizer', async () => {
    const bare = chatTokenizerFolder();
    const rows = await prepared('bare-rows', bare, templateFile);
    const { log, final } = await trained('bare', bare, rows, 'llama');
    expect(chatOf(final)).toBe(TEMPLATE);
    expect(log).not.toContain('warning');
  });

  test('a family with a format of its own is talked to in it, unless it is asked otherwise: that is said', async () => {
    const bare = chatTokenizerFolder();
    const rows = await prepared('family-rows', bare, templateFile);
    const { log, final } = await trained('family', bare, rows, 'xverse');
    expect(log).toContain('chat and serve take it with --chat-template model');
    expect(readFileSync(join(final, 'chat_template.jinja'), 'utf8')).toBe(TEMPLATE);
    const published = await prepared('published-rows', bare, undefined);
    const plain = await trained('published', bare, published, 'xverse');
    expect(plain.log).not.toContain('warning');
    expect(existsSync(join(plain.final, 'chat_template.jinja'))).toBe(false);
  });

  test('sets of two templates are neither trained on nor merged together', async () => {
    const bare = chatTokenizerFolder();
    const [one, two] = [
      await prepared('one', bare, templateFile),
      await prepared('two', bare, otherFile),
    ] as const;
    await expect(trained('both', bare, [one, two], 'llama')).rejects.toThrow('differ in chat template');
    await expect(mergeDatasets([one, two], join(folder, 'merged'))).rejects.toThrow(
      'differ in chat template',
    );
    const again = await prepared('again', bare, templateFile);
    await mergeDatasets([one, again], join(folder, 'merged'));
    const { final } = await trained('merged-run', bare, join(folder, 'merged'), 'llama');
    expect(chatOf(final)).toBe(TEMPLATE);
  });
});
