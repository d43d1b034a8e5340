/** adapter_config.json of a PEFT folder: what we understand of it, and ours. */
import { join } from 'node:path';
import { z } from 'zod';
import { parseConfig } from '../config/index.js';
import { InputError } from '../errors/index.js';
import { fileStatus, readJsonFile } from '../formats/index.js';
import type { LoraOptions } from '../lora/index.js';

export const ADAPTER_CONFIG_FILE = 'adapter_config.json';

/** What may be named, but not used. */
const unset = (message: string) => z.unknown().refine(isEmpty, { message }).optional();

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

const peftConfigSchema = z.object({
  r: z.int().positive(),
  lora_alpha: z.number(),
  lora_dropout: z.number().min(0).lt(1).default(0),
  use_rslora: z.boolean().default(false),
  // One value only: the others are a different method.
  peft_type: z.literal('LORA').default('LORA'),
  bias: z.literal('none').default('none'),
  use_dora: z.literal(false).default(false),
  alpha_pattern: unset('layers with a rank or alpha of their own are not supported'),
  rank_pattern: unset('layers with a rank or alpha of their own are not supported'),
  lora_bias: unset('a bias of the adapter is not supported'),
  modules_to_save: unset('whole layers beside the adapter are not supported'),
  trainable_token_indices: unset('trained tokens beside the adapter are not supported'),
  target_parameters: unset('adapted parameters that are no linear layer are not supported'),
  layer_replication: unset('repeated layers are not supported'),
});

/** @throws InputError for a config that is none, or of a method that is not plain LoRA */
export function readPeftConfig(path: string): LoraOptions {
  const { r, lora_alpha, lora_dropout, use_rslora } = parseConfig(peftConfigSchema, readJsonFile(path), {
    source: path,
  });
  // rsLoRA (arXiv 2312.03732) scales by alpha / sqrt(r).
  return { rank: r, alpha: use_rslora ? lora_alpha * Math.sqrt(r) : lora_alpha, dropout: lora_dropout };
}

/** alpha / rank of an adapter folder or file, by the adapter_config.json there. */
export function readAdapterScale(path: string, rank: number): number {
  const folder = fileStatus(path)?.isDirectory() === true ? path : join(path, '..');
  const config = join(folder, ADAPTER_CONFIG_FILE);
  if (fileStatus(config) === undefined)
    throw new InputError(
      `${config} does not exist; it would tell the adapter's alpha: give it with --lora-alpha.`,
    );
  const { alpha, rank: stated } = readPeftConfig(config);
  if (stated !== rank)
    throw new InputError(
      `${config}: r is ${stated}, but the matrices have rank ${rank}; they do not belong together.`,
    );
  return alpha / rank;
}

export interface PeftAdapter extends LoraOptions {
  /** Published names of the adapted layers. */
  readonly modules: readonly string[];
  /** How the weights of linear layers lie: [O, I], or [I, O], which PEFT calls fan_in_fan_out. */
  readonly layout: 'out-in' | 'in-out';
  /** Default: none named. */
  readonly baseModel?: string;
}

/** What PEFT needs to load an adapter. */
export function peftConfig({ modules, layout, baseModel = '', rank, alpha, dropout = 0 }: PeftAdapter) {
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: baseModel,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: dropout,
    bias: 'none',
    fan_in_fan_out: layout === 'in-out',
    // All behind the layer's number: the last word alone may name several layers of a block.
    target_modules: [...new Set(modules.map((module) => module.replace(/^.*\.\d+\./, '')))],
    inference_mode: true,
  };
}
