/** What `forward`, `generate` and `chat` share: which model, in which dtype, on which device, with which adapter. */
import { type LoadedModel, type LoadModelOptions, loadAdaptedModel } from '../models/index.js';
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

/**
 * @param output what the model must give; default logits
 * @param keepIntegers leave quantised weights as they are. Default true; gradients need floats
 */
export function loadModelByOptions(
  options: OptionValues<typeof modelOptions>,
  {
    output,
    keepIntegers = true,
  }: Pick<LoadModelOptions, 'keepIntegers'> & { output?: 'logits' | 'score' } = {},
): LoadedModel {
  return loadAdaptedModel(options.model, {
    configPath: options.config,
    output,
    keepIntegers,
    dtype: options.dtype,
    device: options.device,
    threads: options.threads,
    adapter: options.adapter,
  });
}
