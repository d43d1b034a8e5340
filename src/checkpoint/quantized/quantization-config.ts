/** What a folder says of its quantised weights: the forms of GPTQ, AWQ and compressed-tensors. */
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { parseConfig } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { type Bits, fileStatus, isBits, readJsonFile, showValue } from '../../formats/index.js';
import { log } from '../../log/index.js';

/** Bits and groups that a layer may have; its tensors decide which. */
export interface IntegerForm {
  readonly bits: Bits;
  /** Inputs that share a scale; undefined: all of a row. */
  readonly groupSize: number | undefined;
}

export type QuantizationConfig =
  | {
      readonly method: 'gptq';
      /** 1: zero points are stored less one. */
      readonly version: 1 | 2;
      readonly forms: readonly IntegerForm[];
    }
  | { readonly method: 'awq'; readonly forms: readonly IntegerForm[] }
  | { readonly method: 'compressed-tensors'; readonly forms: readonly IntegerForm[] };

export interface FoundQuantization {
  readonly config: QuantizationConfig;
  /** The file that says so, and where in it, for messages. */
  readonly source: string;
}

/** Where quantisers write what config.json does not say. */
const OTHER_FILES = ['quantize_config.json', 'quant_config.json'] as const;

/**
 * Of the model at `path`: `quantization_config` in config.json, else a file of the quantiser's.
 * @throws InputError for a form that is not read here, by its name
 */
export function findQuantization(path: string): FoundQuantization | undefined {
  const folder = fileStatus(path)?.isDirectory() === true ? path : dirname(path);
  const config = join(folder, 'config.json');
  if (fileStatus(config)?.isFile() === true) {
    const found: unknown = quantizationOf(readJsonFile(config));
    if (found !== undefined) return parsed(found, `${config}: quantization_config`);
  }
  for (const name of OTHER_FILES) {
    const file = join(folder, name);
    if (fileStatus(file)?.isFile() === true) return parsed(readJsonFile(file), file);
  }
  return undefined;
}

/** `quantization_config` of a config; undefined without one. */
export function quantizationOf(config: unknown): unknown {
  if (typeof config !== 'object' || config === null) return undefined;
  return Reflect.get(config, 'quantization_config') ?? undefined;
}

/**
 * A config without what it says of quantised weights: of the same model in floats.
 * @throws InputError for a form that is not read here, by its name
 */
export function withoutQuantization(config: unknown, source: string): unknown {
  const found = quantizationOf(config);
  if (found === undefined || typeof config !== 'object') return config;
  parsed(found, `${source}: quantization_config`);
  return Object.fromEntries(Object.entries(config ?? {}).filter(([key]) => key !== 'quantization_config'));
}

const anything = z.unknown().optional();
const keys = (names: string): Record<string, typeof anything> =>
  Object.fromEntries(names.split(' ').map((key) => [key, anything]));
const groupSize = z.int().refine((size) => size === -1 || size > 0, {
  message: 'must be a number of inputs, or -1 for all of a row',
});
const bits = z.int().refine(isBits, { message: 'must be 2, 3, 4 or 8' });

/** How the weights were made, and what runs them elsewhere: nothing of what the integers mean. */
const gptqSchema = z.looseObject({
  quant_method: z.literal('gptq').optional(),
  bits,
  group_size: groupSize,
  checkpoint_format: z.string().optional(),
  format: z.string().optional(),
  is_marlin_format: z.literal(false, { error: 'weights in the order of Marlin are not read here' }).nullish(),
  pack_dtype: z.literal('int32', { error: 'words other than int32 are not read here' }).nullish(),
  dynamic: z
    .union([
      z.literal(false),
      z.record(z.string(), z.looseObject({ bits: bits.optional(), group_size: groupSize.optional() })),
    ])
    .nullish(),
  ...keys(
    'desc_act sym static_groups true_sequential damp_percent damp_auto_increment mse act_group_aware lm_head method ' +
      'modules_in_block_to_quantize modules_to_not_convert dataset tokenizer batch_size use_exllama exllama_config ' +
      'use_cuda_fp16 model_seqlen block_name_to_quantize module_name_preceding_first_block cache_block_outputs ' +
      'max_input_length pad_token_id meta model_name_or_path model_file_base_name disable_exllama backend adapter',
  ),
});

const awqSchema = z.looseObject({
  quant_method: z.literal('awq').optional(),
  bits: z.literal(4).optional(),
  w_bit: z.literal(4).optional(),
  group_size: groupSize.optional(),
  q_group_size: groupSize.optional(),
  version: z.string().optional(),
  format: z.string().optional(),
  zero_point: z.literal(true, { error: 'AWQ without zero points is not read here' }).optional(),
  ...keys(
    'modules_to_not_convert backend do_fuse modules_to_fuse fuse_max_seq_len exllama_config desc_act sym',
  ),
});

const noActivations = z
  .null({ error: 'quantised activations are not read here, only quantised weights' })
  .optional();

const compressedSchema = z.looseObject({
  quant_method: z.literal('compressed-tensors').optional(),
  format: z.enum(['pack-quantized', 'int-quantized', 'naive-quantized'], {
    error: 'must be pack-quantized, int-quantized or naive-quantized; other layouts are not read here',
  }),
  config_groups: z.record(
    z.string(),
    z.looseObject({
      weights: z.looseObject({
        num_bits: bits,
        type: z.literal('int', { error: 'only integers are read here' }),
        strategy: z
          .enum(['group', 'channel', 'tensor'], { error: 'must be group, channel or tensor' })
          .nullish(),
        group_size: groupSize.nullish(),
      }),
      input_activations: noActivations,
      output_activations: noActivations,
    }),
  ),
  kv_cache_scheme: z.null({ error: 'a quantised cache is not read here' }).optional(),
  sparsity_config: z
    .looseObject({ format: z.literal('dense', { error: 'sparse weights are not read here' }).optional() })
    .nullish(),
  ...keys('quantization_status ignore global_compression_ratio version transform_config'),
});

function parsed(value: unknown, source: string): FoundQuantization {
  return { config: parseQuantization(value, source), source };
}

function parseQuantization(value: unknown, source: string): QuantizationConfig {
  const { quant_method: method } = parseConfig(z.looseObject({ quant_method: anything }), value, { source });
  switch (method ?? (isAwq(value) ? 'awq' : 'gptq')) {
    case 'gptq':
      return gptqConfig(parseConfig(gptqSchema, value, { source }), source);
    case 'awq':
      return awqConfig(parseConfig(awqSchema, value, { source }), source);
    case 'compressed-tensors':
      return compressedConfig(parseConfig(compressedSchema, value, { source }), source);
    default:
      throw new InputError(
        `${source}: quant_method ${showValue(method)} is not read here; readable are gptq, awq and compressed-tensors. Take the ` +
          'model in one of these, or the unquantised one.',
      );
  }
}

/** A quant_config.json of AutoAWQ names no method. */
function isAwq(value: unknown): boolean {
  return typeof value === 'object' && value !== null && ('w_bit' in value || 'q_group_size' in value);
}

function gptqConfig(config: z.output<typeof gptqSchema>, source: string): QuantizationConfig {
  noteUnknown(gptqSchema, config, source);
  const format = config.checkpoint_format ?? config.format ?? 'gptq';
  if (format !== 'gptq' && format !== 'gptq_v2')
    throw new InputError(
      `${source}: checkpoint_format ${showValue(format)} lays the weights out in another order; readable are gptq and gptq_v2.`,
    );
  const base = formOf(config.bits, config.group_size);
  const others = Object.values(config.dynamic === false ? {} : (config.dynamic ?? {})).map((rule) =>
    formOf(rule.bits ?? config.bits, rule.group_size ?? config.group_size),
  );
  return { method: 'gptq', version: format === 'gptq_v2' ? 2 : 1, forms: [base, ...others] };
}

function awqConfig(config: z.output<typeof awqSchema>, source: string): QuantizationConfig {
  noteUnknown(awqSchema, config, source);
  const version = (config.version ?? config.format ?? 'gemm').toLowerCase();
  if (version !== 'gemm')
    throw new InputError(
      `${source}: version ${showValue(version)} of AWQ lays the weights out in another order; readable is gemm.`,
    );
  const size = config.group_size ?? config.q_group_size;
  if (size === undefined) throw new InputError(`${source}: group_size is missing.`);
  return { method: 'awq', forms: [formOf(4, size)] };
}

function compressedConfig(config: z.output<typeof compressedSchema>, source: string): QuantizationConfig {
  noteUnknown(compressedSchema, config, source);
  const forms = Object.values(config.config_groups).map(({ weights }) =>
    formOf(weights.num_bits, weights.group_size ?? -1),
  );
  if (forms.length === 0) throw new InputError(`${source}: config_groups is empty.`);
  return { method: 'compressed-tensors', forms };
}

function formOf(bitCount: number, size: number): IntegerForm {
  if (!isBits(bitCount)) throw new RangeError(`${bitCount} bits`);
  return { bits: bitCount, groupSize: size === -1 ? undefined : size };
}

const noted = new Set<string>();

/** Keys that nobody here knows are told of once. */
function noteUnknown(schema: z.ZodObject, config: object, source: string): void {
  const unknown = Object.keys(config).filter((key) => !Object.hasOwn(schema.shape, key));
  if (unknown.length === 0 || noted.has(source)) return;
  noted.add(source);
  log(`${source}: keys without a meaning here: ${unknown.map((key) => showValue(key)).join(', ')}`);
}
