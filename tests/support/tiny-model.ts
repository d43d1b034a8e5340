/** A model folder for tests that start a server: golden shapes, random weights, a tokenizer beside them. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Architecture, parseArchitecture, saveModel } from '../../src/models/index.js';
import { initializeModule } from '../../src/nn/index.js';
import { RandomGenerator } from '../../src/tensor/index.js';
import { goldenFolder } from './golden.js';

/** Fits the model: its shapes are those of the golden one. */
export const tinyAdapter = `${goldenFolder}xverse/peft_adapter`;

/** Of the tokenizer, and of the model. */
export const TINY_VOCABULARY = 1000;

/** Weights wide enough for answers that differ from prompt to prompt. @param tokenizer a folder with one. Default: none is saved */
export async function saveRandomModel(
  folder: string,
  architecture: Architecture,
  tokenizer?: string,
): Promise<void> {
  const model = architecture.createModel();
  initializeModule(model, { rule: { kind: 'normal', std: 0.2 }, generator: new RandomGenerator(7) });
  await saveModel(folder, { model, architecture }, tokenizer);
  model.dispose();
}

/**
 * The golden xverse model with the vocabulary of the golden gpt2 tokenizer. Its weights are wide enough for answers
 * that differ from prompt to prompt.
 * @returns the folder
 */
export async function writeTinyModel(name = 'tiny', changes: Record<string, unknown> = {}): Promise<string> {
  const folder = join(mkdtempSync(join(tmpdir(), 'xinghe-tiny-')), name);
  mkdirSync(folder);
  const golden: unknown = JSON.parse(readFileSync(`${goldenFolder}xverse/config.json`, 'utf8'));
  const config = { ...Object(golden), vocab_size: TINY_VOCABULARY, ...changes };
  await saveRandomModel(folder, parseArchitecture(config, 'tiny model'));
  copyFileSync(`${goldenFolder}tokenizers/bbpe_gpt2/tokenizer.json`, join(folder, 'tokenizer.json'));
  return folder;
}

/** The `model` section of a training run with a new small model. @param changes keys of its config */
export function tinyRunModel(changes: Record<string, unknown> = {}): {
  readonly tokenizer: string;
  readonly config: Record<string, unknown>;
} {
  return {
    tokenizer: `${goldenFolder}tokenizers/bbpe_gpt2`,
    config: {
      model_type: 'xverse',
      vocab_size: TINY_VOCABULARY,
      hidden_size: 32,
      intermediate_size: 48,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      eos_token_id: 3,
      pad_token_id: 1,
      ...changes,
    },
  };
}

/** A Qwen2 of one block: a family whose chat is that of a template. */
export function tinyQwen2(vocabSize: number): Architecture {
  return parseArchitecture(
    {
      model_type: 'qwen2',
      vocab_size: vocabSize,
      hidden_size: 16,
      intermediate_size: 24,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      num_key_value_heads: 1,
    },
    'tiny qwen2',
  );
}
