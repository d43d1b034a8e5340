/** SmolLM2-135M-Instruct in Q4_1, and what transformers computes with it dequantised (../shared/golden/families/smollm2_expected.json). */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TestOptions } from 'vitest';
import { readJsonFile } from '../../src/formats/index.js';
import { referenceSmolLm2 } from './reference.js';
import { requires } from './requires.js';

interface SmolLm2Expected {
  readonly perplexity: {
    readonly text: string;
    readonly input_ids: number[];
    readonly mean_nll: number;
    readonly nll: readonly number[];
  };
  readonly chat: readonly {
    readonly messages: readonly { readonly role: string; readonly content: string }[];
    readonly prompt: string;
    readonly prompt_ids: number[];
    readonly new_ids: number[];
    readonly answer: string;
    readonly least_top1_top2_margin: number;
  }[];
  readonly top5: readonly {
    readonly prompt: string;
    readonly input_ids: number[];
    readonly top5_ids: number[];
    readonly top5_logits: readonly number[];
  }[];
  readonly tokenizer: readonly { readonly text: string; readonly ids: number[]; readonly decoded: string }[];
}

const file = fileURLToPath(new URL('../../../shared/golden/families/smollm2_expected.json', import.meta.url));
const model = referenceSmolLm2();

export const requiresSmolLm2: TestOptions = requires(
  model !== undefined && existsSync(file),
  model === undefined
    ? 'no SmolLM2; fetch it with node tools/reference-python.mjs smollm2'
    : '../shared/golden/families is absent',
);

/** The path of its GGUF; empty where the tests are skipped. */
export const smolLm2Path = model ?? '';

/** Throws where the tests are skipped. */
export function smolLm2Expected(): SmolLm2Expected {
  return readJsonFile(file) as SmolLm2Expected;
}
