/**
 * Real input: recipes/telechat-sft-small.yaml with the real tokenizers on the real conversations, made small. The data
 * is third-party and lies beside the repository; without it these tests are skipped.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { main } from '../src/cli/main.js';
import { applyOverrides, parseConfig, readConfigFile } from '../src/config/index.js';
import { readSamples } from '../src/data/index.js';
import { type ChatMessage, loadModelTokenizer, parseArchitecture } from '../src/models/index.js';
import { runTraining, trainConfigSchema } from '../src/training/index.js';
import { requiresShared } from './support/requires.js';
import { sharedData } from './support/shared-data.js';

const dialogues = sharedData('sft/telechat_multi_turn.jsonl');
const recipe = fileURLToPath(new URL('../recipes/telechat-sft-small.yaml', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'xinghe-sft-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const layouts = [
  {
    name: 'telechat-12b',
    config: { model_type: 'telechat', vocab_size: 120000, hidden_size: 16, ffn_hidden_size: 24, n_layer: 1 },
    answers: 'all',
  },
  {
    name: 'telechat-52b',
    config: {
      model_type: 'telechat',
      vocab_size: 80896,
      n_embd: 16,
      n_inner: 24,
      n_layer: 1,
      activation_function: 'silu',
      add_bias_linear: false,
      relative_encoding: 'rotary',
      rotary_use_xpos: false,
      use_RMSNorm: true,
      eos_token_id: 2,
      pad_token_id: 3,
    },
    answers: 'last',
  },
] as const;

describe.each(layouts)('$name', ({ name, config: shape, answers }) => {
  const tokenizerFolder = sharedData(`tokenizers/${name}`);
  const needed = requiresShared(dialogues, tokenizerFolder);
  const config = { ...shape, n_head: 2, tie_word_embeddings: false };

  test('the loss mask covers the answers and nothing else', needed, async () => {
    const architecture = parseArchitecture(config, 'test');
    const tokenizer = loadModelTokenizer(architecture, tokenizerFolder ?? '');
    const conversations: (readonly ChatMessage[])[] = [];
    for await (const sample of readSamples([dialogues ?? ''], { form: 'telechat' })) {
      if (sample.kind === 'dialogue') conversations.push(sample.messages);
      if (conversations.length === 60) break;
    }
    const rows = conversations.map((messages) => architecture.chat.renderTraining(messages, tokenizer));
    const [stop] = architecture.chat.stopTokenIds(tokenizer);
    for (const [index, { ids, lossMask }] of rows.entries()) {
      const spans: number[][] = [];
      for (const [place, id] of ids.entries()) {
        if (lossMask[place] === 0) continue;
        if (lossMask[place - 1] !== 1) spans.push([]);
        spans.at(-1)?.push(id);
      }
      const spoken = (conversations[index] ?? [])
        .filter(({ role }) => role === 'assistant')
        .map(({ content }) => content);
      const learned = answers === 'all' ? spoken : spoken.slice(-1);
      expect(spans.map((span) => tokenizer.decode(span.slice(0, -1)).trim())).toEqual(
        learned.map((answer) => answer.trim()),
      );
      expect(spans.map((span) => span.at(-1))).toEqual(spans.map(() => stop));
    }
  });

  test('the recipe runs, its loss falls, and chat answers with what it made', needed, async () => {
    const output = join(folder, name);
    const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const overridden = applyOverrides(readConfigFile(recipe), [
      `output=${output}`,
      `model.tokenizer=${tokenizerFolder}`,
      `model.config=${JSON.stringify(config)}`,
      `data.files=${JSON.stringify([dialogues])}`,
      'data.sequence_length=192',
      'training.steps=8',
      'training.learning_rate=2e-2',
    ]);
    const { losses } = await runTraining(parseConfig(trainConfigSchema, overridden, { source: recipe }));
    const first = losses[0]?.loss ?? 0;
    expect(Math.abs(first - Math.log(config.vocab_size)), 'the loss of an untrained model').toBeLessThan(0.2);
    expect(losses.at(-1)?.loss).toBeLessThan(first - 0.5);

    let stdout = '';
    vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
      stdout += String(chunk);
      return true;
    });
    const chat = [
      'chat',
      '--model',
      join(output, 'final'),
      '--message',
      '你好',
      '--max-new-tokens',
      '8',
      '--json',
    ];
    const code = await main(chat);
    const said = stderr.mock.calls.map(([chunk]) => String(chunk)).join('');
    vi.restoreAllMocks();
    expect(code, said).toBe(0);
    const { messages } = JSON.parse(stdout);
    expect(messages[0]).toEqual({ role: 'user', content: '你好' });
    expect(messages[1].role).toBe('assistant');
    expect(messages[1].content).not.toContain('\ufffd');
  });
});
