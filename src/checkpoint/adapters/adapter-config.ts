/** adapter_config.json of a PEFT folder, read and written. */
import { join } from 'node:path';
import { z } from 'zod';
import { parseConfig } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { fileStatus, readJsonFile } from '../../formats/index.js';
import { type LoraOptions, loraScale } from '../../lora/index.js';

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
  use_dora: z.boolean().default(false),
  alpha_pattern: unset('layers with a rank or alpha of their own are not supported'),
  rank_pattern: unset('layers with a rank or alpha of their own are not supported'),
  lora_bias: unset('a bias of the adapter is not supported'),
  modules_to_save: unset('whole layers beside the adapter are not supported'),
  trainable_token_indices: unset('trained tokens beside the adapter are not supported'),
  target_parameters: unset('adapted parameters that are no linear layer are not supported'),
  layer_replication: unset('repeated layers are not supported'),
});

/** @throws InputError for a config that is none, or of a method that is not LoRA, rsLoRA or DoRA */
export function readPeftConfig(path: string): LoraOptions {
  const config = parseConfig(peftConfigSchema, readJsonFile(path), { source: path });
  return {
    rank: config.r,
    alpha: config.lora_alpha,
    dropout: config.lora_dropout,
    rankStabilized: config.use_rslora,
    dora: config.use_dora,
  };
}

/** The factor of the update of an adapter folder or file, by the adapter_config.json there. */
export function readAdapterScale(path: string, rank: number): number {
  const folder = fileStatus(path)?.isDirectory() === true ? path : join(path, '..');
  const config = join(folder, ADAPTER_CONFIG_FILE);
  if (fileStatus(config) === undefined)
    throw new InputError(
      `${config} does not exist; it would tell the adapter's alpha: give it with --lora-alpha.`,
    );
  const lora = readPeftConfig(config);
  if (lora.dora === true)
    throw new InputError(
      `${config}: use_dora is true, but the adapter has no magnitudes beside its matrices.`,
    );
  if (lora.rank !== rank)
    throw new InputError(
      `${config}: r is ${lora.rank}, but the matrices have rank ${rank}; they do not belong together.`,
    );
  return loraScale(lora);
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
export function peftConfig({ modules, layout, baseModel = '', ...lora }: PeftAdapter) {
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: baseModel,
    r: lora.rank,
    lora_alpha: lora.alpha,
    lora_dropout: lora.dropout ?? 0,
    use_rslora: lora.rankStabilized ?? false,
    use_dora: lora.dora ?? false,
    bias: 'none',
    fan_in_fan_out: layout === 'in-out',
    // All behind the layer's number: the last word alone may name several layers of a block.
    target_modules: [...new Set(modules.map((module) => module.replace(/^.*\.\d+\./, '')))],
    inference_mode: true,
  };
}
