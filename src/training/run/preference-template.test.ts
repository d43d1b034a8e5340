/** Preference runs by chat templates: models that bring nothing else, as Qwen2 and Llama. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { chatTokenizerFolder } from '../../../tests/support/chat-tokenizer.js';
import { parseConfig } from '../../config/index.js';
import { listenToLog } from '../../log/index.js';
import { chooseModelChat, loadArchitecture, parseArchitecture } from '../../models/index.js';
import { loadTokenizer } from '../../tokenizers/index.js';
import { dryRun } from './dry-run.js';
import { runTraining } from './run.js';
import { type TrainConfig, trainConfigSchema } from './run-config.js';
import { readRunRows } from './run-rows.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-preference-template-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TEMPLATE =
  '{% for m in messages %}{{ "<|im_start|>" + m.role + ":" + m.content + "<|im_end|>" + "\\n" }}{% endfor %}' +
  '{% if add_generation_prompt %}{{ "<|im_start|>assistant:" }}{% endif %}';
const OTHER = TEMPLATE.replaceAll(':', ' says ');
const other = join(folder, 'other.jinja');
writeFileSync(other, OTHER);

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });

function fileOf(name: string, records: readonly object[]): string {
  const path = join(folder, name);
  writeFileSync(path, records.map((record) => JSON.stringify(record)).join('\n'));
  return path;
}

const pairs = fileOf(
  'pairs.jsonl',
  Array.from({ length: 6 }, (_, index) => ({
    prompt: [{ role: 'system', content: 'Sum.' }, user('a?'), assistant('b'), user(`${index} and one?`)],
    chosen: [assistant(`It is ${index + 1}.`)],
    rejected: [assistant(`No idea ${index * 3}.`)],
  })),
);

type Section = Record<string, unknown>;

function parse(
  output: string,
  {
    data = {},
    training = {},
    family = 'qwen2',
    tokenizer = '',
  }: {
    readonly data?: Section;
    readonly training?: Section;
    readonly family?: string;
    readonly tokenizer?: string;
  },
): TrainConfig {
  return parseConfig(
    trainConfigSchema,
    {
      output: join(folder, output),
      threads: 1,
      model: {
        tokenizer,
        config: {
          model_type: family,
          vocab_size: loadTokenizer(tokenizer).vocabSize,
          hidden_size: 16,
          intermediate_size: 24,
          num_hidden_layers: 1,
          num_attention_heads: 2,
          num_key_value_heads: family === 'xverse' ? 2 : 1,
        },
      },
      data: { files: [pairs], form: 'preference', sequence_length: 128, shuffle: false, ...data },
      training: {
        steps: 4,
        micro_batch_size: 2,
        learning_rate: 1e-2,
        objective: { loss: 'dpo' },
        ...training,
      },
    },
    { source: 'test' },
  );
}

async function firstRows(
  config: TrainConfig,
): Promise<{ readonly rows: readonly string[]; readonly log: string }> {
  const lines: string[] = [];
  const stop = listenToLog((line) => lines.push(line));
  try {
    const { firstRows: rows } = await dryRun(config);
    return { rows, log: lines.join('\n') };
  } finally {
    stop();
  }
}

function templateOf(output: string): string | undefined {
  const final = join(folder, output, 'final');
  const chosen = chooseModelChat(loadArchitecture(join(final, 'config.json')), [final]);
  return chosen?.kind === 'template' ? chosen.text : chosen?.kind;
}

describe.each(['qwen2', 'llama', 'mistral'])('%s', (family) => {
  test.each(['dpo', 'ipo', 'simpo', 'orpo', 'kto', 'reward'])(
    'learns by the template of its folder, which final/ carries: %s',
    async (loss) => {
      const tokenizer = chatTokenizerFolder({ chat_template: TEMPLATE });
      const name = `${family}-${loss}`;
      const { losses } = await runTraining(
        parse(name, { family, tokenizer, training: { objective: { loss } } }),
      );
      expect(losses).toHaveLength(4);
      expect(templateOf(name)).toBe(TEMPLATE);
    },
  );
});

describe('what the sequences say', () => {
  const tokenizer = chatTokenizerFolder({ chat_template: TEMPLATE });

  test('a prompt of several turns; the answer with its end is learned, nothing before it', async () => {
    const { rows } = await firstRows(parse('turns', { tokenizer }));
    const prompt =
      '<|im_start|>system:Sum.<|im_end|>\n<|im_start|>user:a?<|im_end|>\n<|im_start|>assistant:b<|im_end|>\n' +
      '<|im_start|>user:0 and one?<|im_end|>\n<|im_start|>assistant:';
    const shown = rows[0]?.replaceAll('\\n', '\n');
    expect(shown).toContain(`${prompt}⟦It is 1.<|im_end|>⟧\n`);
    expect(shown).toContain(`${prompt}⟦No idea 0.<|im_end|>⟧\n`);
  });

  test('data.chat_template and its values, held-out rows as well', async () => {
    const values = join(folder, 'values.jinja');
    writeFileSync(values, `{{ mood }}${TEMPLATE}`);
    const config = parse('values', {
      tokenizer,
      data: { chat_template: values, template_values: { mood: 'Gay. ' } },
    });
    expect((await firstRows(config)).rows[0]).toContain('Gay. <|im_start|>system:Sum.');
    await runTraining(parse('named', { tokenizer, data: { chat_template: other }, training: { steps: 1 } }));
    expect(templateOf('named')).toBe(OTHER);
  });

  test("a family's own format gives way to a template that is named", async () => {
    const config = (data: Section) => parse('own', { tokenizer, family: 'xverse', data });
    expect((await firstRows(config({}))).rows[0]).toContain('Human: ');
    expect((await firstRows(config({ chat_template: 'model' }))).rows[0]).toContain(
      '<|im_start|>system:Sum.',
    );
  });

  test('without a template the family is refused by name', async () => {
    const bare = chatTokenizerFolder();
    await expect(dryRun(parse('bare', { tokenizer: bare }))).rejects.toThrow(
      `${pairs}:1: qwen2 chat: this family has no chat format of its own`,
    );
  });

  test('a message forges no token', async () => {
    const forged = fileOf('forged.jsonl', [
      { prompt: 'a<|im_end|>', chosen: 'b<|im_end|>', rejected: '<|im_start|>' },
      { prompt: 'a', chosen: 'b', rejected: 'c' },
    ]);
    const loaded = loadTokenizer(tokenizer);
    const { data, training, model } = parse('forged', { tokenizer, data: { files: [forged] } });
    const architecture = parseArchitecture(model.config, 'test');
    const { rows } = await readRunRows(data, architecture, loaded, training, tokenizer);
    const tokens = async (row: number, token: string): Promise<number> =>
      Array.from((await rows.read(row)).ids).filter((id) => id === loaded.tokenToId(token)).length;
    for (const token of ['<|im_start|>', '<|im_end|>']) {
      expect(await tokens(1, token)).toBe(4);
      expect(await tokens(0, token)).toBe(4);
    }
  });

  test('what the template shows as the same is counted, and what it cannot render is named with its line', async () => {
    const trimming = chatTokenizerFolder({
      chat_template: TEMPLATE.replace('m.content', '(m.content | trim)'),
    });
    const same = fileOf('same.jsonl', [
      { prompt: 'a', chosen: 'b', rejected: ' b' },
      { prompt: 'a', chosen: 'b', rejected: 'c' },
    ]);
    const { log, rows } = await firstRows(parse('same', { tokenizer: trimming, data: { files: [same] } }));
    expect(log).toContain(
      `1 record with nothing to learn left out (same answers), the first: ${same}:1: the chat template shows`,
    );
    expect(rows[0]).toContain('⟦c');
    const strict = chatTokenizerFolder({
      chat_template: `{% if messages[0].role == "system" %}{{ raise_exception("no system") }}{% endif %}${TEMPLATE}`,
    });
    await expect(dryRun(parse('strict', { tokenizer: strict }))).rejects.toThrow(
      `${pairs}:1: ${strict}: tokenizer_config.json: chat_template: no system (line 1).`,
    );
  });
});
