/** What `forward`, `generate` and `chat` share: which model, in which dtype, on which device, with which adapter. */
import type { ModelRanks } from '../generation/index.js';
import {
  INTEGER_ACTIVATIONS,
  type LoadedModel,
  type LoadModelOptions,
  loadAdaptedModel,
  type SplitPlace,
} from '../models/index.js';
import { prepareRuntime } from '../tensor/index.js';
import { hubOptions } from './hub-options.js';
import type { OptionSpec, OptionValues } from './options.js';

export const modelOptions = {
  model: {
    kind: 'string',
    value: 'PATH',
    place: 'model',
    required: true,
    help: 'model folder, weight file, or ORG/NAME of the hub',
  },
  ...hubOptions,
  config: { kind: 'string', value: 'FILE', help: 'a config that does not lie beside the weights' },
  adapter: {
    kind: 'string',
    value: 'PATH',
    place: 'model',
    help: 'a LoRA adapter: PEFT folder or safetensors file',
  },
  dtype: {
    kind: 'string',
    allowedValues: ['float32', 'float64', 'bfloat16', 'float16'],
    help: 'compute in this dtype; default: that of the weights',
  },
  device: { kind: 'string', value: 'cpu|cuda[:N]', help: 'default cpu' },
  threads: { kind: 'integer', min: 1, help: 'CPU threads; default: all cores' },
} as const satisfies Record<string, OptionSpec>;

/** Of commands that write text. */
export const integerOptions = {
  'integer-activations': {
    kind: 'string',
    allowedValues: INTEGER_ACTIVATIONS,
    help: 'with int8 or int4 weights: int8 rounds their inputs to 8 bits and multiplies integers, faster; none is exact; default auto: int8 where weights have 4 bits, on the CPU and not in float64',
  },
} as const satisfies Record<string, OptionSpec>;

/** The same of commands whose numbers are held against those of other programs. */
export const exactIntegerOptions = {
  'integer-activations': {
    ...integerOptions['integer-activations'],
    help: 'with int8 or int4 weights: int8 rounds their inputs to 8 bits and multiplies integers, faster; auto: where weights have 4 bits; default none: exact',
  },
} as const satisfies Record<string, OptionSpec>;

export type IntegerOptionValues = OptionValues<typeof integerOptions>;

export interface LoadByOptions extends Pick<LoadModelOptions, 'keepIntegers' | 'integerActivations'> {
  /** What the model must give. Default logits. */
  readonly output?: 'logits' | 'score';
  /** That share the model, of which each reads its part. Default: this process has all of it. */
  readonly ranks?: ModelRanks | undefined;
}

/**
 * @param how.keepIntegers leave quantised weights as they are. Default true; gradients need floats
 * @param how.integerActivations default: as the options say, else auto
 */
export function loadModelByOptions(
  options: OptionValues<typeof modelOptions> & Partial<IntegerOptionValues>,
  { ranks, integerActivations = options['integer-activations'] ?? 'auto', ...how }: LoadByOptions = {},
): LoadedModel {
  prepareRuntime(options.threads === undefined ? {} : { threads: options.threads });
  const read = (place?: SplitPlace): LoadedModel =>
    readModel(options, { keepIntegers: true, integerActivations, ...how, place });
  return ranks === undefined ? read() : ranks.load(read);
}

function readModel(
  options: OptionValues<typeof modelOptions>,
  how: Pick<LoadModelOptions, 'integerActivations' | 'keepIntegers' | 'output' | 'place'>,
): LoadedModel {
  return loadAdaptedModel(options.model, {
    ...how,
    configPath: options.config,
    dtype: options.dtype,
    device: options.device,
    threads: options.threads,
    adapter: options.adapter,
  });
}
