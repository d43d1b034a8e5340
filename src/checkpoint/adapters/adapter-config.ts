/** adapter_config.json of a PEFT folder, read and written. */
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { parseConfig } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { fileStatus, readJsonFile } from '../../formats/index.js';
import { type LoraOptions, loraScale } from '../../lora/index.js';
import { isStepFolder } from '../deepspeed-files.js';

export const ADAPTER_CONFIG_FILE = 'adapter_config.json';

/**
 * adapter_config.json of an adapter folder or file; of a step of DeepSpeed's it lies beside the folder of the step, or in it.
 * undefined where there is none
 */
export function findAdapterConfig(path: string): string | undefined {
  const folder = fileStatus(path)?.isDirectory() === true ? path : dirname(path);
  const above = isStepFolder(folder) ? [join(folder, '..')] : [];
  return [folder, ...above]
    .map((place) => join(place, ADAPTER_CONFIG_FILE))
    .find((file) => fileStatus(file)?.isFile() === true);
}

/** What may be named, but not used. */
const unset = (message: string) => z.unknown().refine(isEmpty, { message }).optional();

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** Numbers for layers whose name ends in a key, or matches it as a regular expression. */
const pattern = (value: z.ZodType<number>) => z.record(z.string(), value).nullish();

const tokenIndices = z.array(z.int().nonnegative());

const peftConfigSchema = z.object({
  r: z.int().positive(),
  lora_alpha: z.number(),
  lora_dropout: z.number().min(0).lt(1).default(0),
  use_rslora: z.boolean().default(false),
  // One value only: the others are a different method.
  peft_type: z.literal('LORA').default('LORA'),
  // Biases that were trained lie among the tensors, and are taken from there.
  bias: z.enum(['none', 'all', 'lora_only']).default('none'),
  use_dora: z.boolean().default(false),
  rank_pattern: pattern(z.int().positive()),
  alpha_pattern: pattern(z.number()),
  lora_bias: z.boolean().nullish(),
  trainable_token_indices: z.union([tokenIndices, z.record(z.string(), tokenIndices)]).nullish(),
  // The residual of the decomposed base weights is not in the file.
  init_lora_weights: z
    .unknown()
    .refine((value) => typeof value !== 'string' || !/^(pissa|olora|corda|loftq|lora_ga)/.test(value), {
      message: 'this start changes the base weights too; convert it to a plain LoRA with PEFT first',
    })
    .optional(),
  target_parameters: unset('adapted parameters that are no linear layer are not supported'),
  layer_replication: unset('repeated layers are not supported'),
  alora_invocation_tokens: unset('an adapter that begins to count at certain tokens is not supported'),
  arrow_config: unset('adapters that are mixed by a router are not supported'),
  use_qalora: unset('adapters of pooled inputs are not supported'),
  use_bdlora: unset('block-diagonal adapters are not supported'),
  velora_config: unset('this variant of LoRA is not supported'),
  kasa_config: unset('this variant of LoRA is not supported'),
  monteclora_config: unset('this variant of LoRA is not supported'),
});

/** What a config says of each layer. */
export interface AdapterRules {
  /** Of layers that no pattern names. */
  readonly options: LoraOptions;
  /** @param module the published name of the layer */
  optionsOf(module: string): LoraOptions;
  /** Ids whose rows were trained, in the order of the rows. @param module the published name of the embedding */
  tokensOf(module: string): readonly number[] | undefined;
}

/** @throws InputError for a config that is none, or of a method that is not LoRA, rsLoRA or DoRA */
export function readAdapterRules(path: string): AdapterRules {
  const config = parseConfig(peftConfigSchema, readJsonFile(path), { source: path });
  const ranks = patternsOf(path, 'rank_pattern', config.rank_pattern);
  const alphas = patternsOf(path, 'alpha_pattern', config.alpha_pattern);
  const options: LoraOptions = {
    rank: config.r,
    alpha: config.lora_alpha,
    dropout: config.lora_dropout,
    rankStabilized: config.use_rslora,
    dora: config.use_dora,
  };
  const indices = config.trainable_token_indices ?? undefined;
  return {
    options,
    optionsOf: (module) => ({
      ...options,
      rank: ranks(module) ?? options.rank,
      alpha: alphas(module) ?? options.alpha,
    }),
    tokensOf: (module) =>
      indices === undefined || Array.isArray(indices)
        ? indices
        : Object.entries(indices).find(([key]) => module === key || module.endsWith(`.${key}`))?.[1],
  };
}

/** As PEFT looks a name up: the first key that is the name's end, or matches up to its end, from a dot on. */
function patternsOf(
  path: string,
  key: string,
  patterns: Readonly<Record<string, number>> | null | undefined,
): (module: string) => number | undefined {
  const rows = Object.entries(patterns ?? {}).map(([text, value]) => {
    try {
      return { expression: new RegExp(`^(?:.*\\.)?(?:${text})$`), value };
    } catch {
      throw new InputError(
        `${path}: ${key} has the key ${JSON.stringify(text)}, which is no regular expression.`,
      );
    }
  });
  return (module) => rows.find(({ expression }) => expression.test(module))?.value;
}

/** Of all layers alike. @throws InputError as readAdapterRules */
export function readPeftConfig(path: string): LoraOptions {
  return readAdapterRules(path).options;
}

/** The factor of the update of an adapter folder or file, by the adapter_config.json there. */
export function readAdapterScale(path: string, rank: number): number {
  const config = findAdapterConfig(path);
  if (config === undefined)
    throw new InputError(
      `${join(fileStatus(path)?.isDirectory() === true ? path : dirname(path), ADAPTER_CONFIG_FILE)} does not exist; it would tell the adapter's alpha: give it with --lora-alpha.`,
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

export interface PeftLayer {
  /** Published name. */
  readonly module: string;
  readonly options: LoraOptions;
}

export interface PeftAdapter {
  readonly layers: readonly PeftLayer[];
  /** How the weights of linear layers lie: [O, I], or [I, O], which PEFT calls fan_in_fan_out. */
  readonly layout: 'out-in' | 'in-out';
  /** Default: none named. */
  readonly baseModel?: string;
  /** Published names of modules that were trained whole, beside the adapted layers. Default: none. */
  readonly wholeModules?: readonly string[] | undefined;
}

/** What PEFT needs to load an adapter; layers that differ from the first in rank or alpha get patterns. */
export function peftConfig({ layers, layout, baseModel = '', wholeModules = [] }: PeftAdapter) {
  const [first] = layers;
  if (first === undefined) throw new TypeError('an adapter has a layer');
  const { options: lora } = first;
  const different = (key: 'rank' | 'alpha'): Record<string, number> =>
    Object.fromEntries(
      layers
        .filter(({ options }) => options[key] !== lora[key])
        // The key is a regular expression there.
        .map(({ module, options }) => [module.replaceAll('.', '\\.'), options[key]]),
    );
  return {
    peft_type: 'LORA',
    // A head of its own that is trained is that of a classifier.
    task_type: wholeModules.length === 0 ? 'CAUSAL_LM' : 'SEQ_CLS',
    base_model_name_or_path: baseModel,
    r: lora.rank,
    lora_alpha: lora.alpha,
    lora_dropout: lora.dropout ?? 0,
    use_rslora: lora.rankStabilized ?? false,
    use_dora: lora.dora ?? false,
    lora_bias: layers.some(({ options }) => options.bias === true),
    bias: 'none',
    fan_in_fan_out: layout === 'in-out',
    // All behind the layer's number: the last word alone may name several layers of a block.
    target_modules: [...new Set(layers.map(({ module }) => module.replace(/^.*\.\d+\./, '')))],
    rank_pattern: different('rank'),
    alpha_pattern: different('alpha'),
    ...(wholeModules.length > 0 && { modules_to_save: wholeModules }),
    inference_mode: true,
  };
}
