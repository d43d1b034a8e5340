/** What `forward`, `generate` and `chat` share: which model, in which dtype, on which device, with which adapter. */
import { loadAdapter } from '../checkpoint/index.js';
import type { ModelRanks } from '../generation/index.js';
import type { LoraLinear } from '../lora/index.js';
import { type LoadedModel, type LoadModelOptions, loadModel, type SplitPlace } from '../models/index.js';
import { type DType, prepareRuntime, selectDevice } from '../tensor/index.js';
import type { OptionSpec, OptionValues } from './options.js';

export const modelOptions = {
  model: { kind: 'string', value: 'PATH', required: true, help: 'model folder, or a weight file' },
  config: { kind: 'string', value: 'FILE', help: 'a config that does not lie beside the weights' },
  adapter: { kind: 'string', value: 'PATH', help: 'a LoRA adapter: PEFT folder or safetensors file' },
  dtype: {
    kind: 'string',
    allowedValues: ['float32', 'float64', 'bfloat16', 'float16'],
    help: 'compute in this dtype; default: that of the weights',
  },
  device: { kind: 'string', value: 'cpu|cuda[:N]', help: 'default cpu' },
  threads: { kind: 'integer', min: 1, help: 'CPU threads; default: all cores' },
} as const satisfies Record<string, OptionSpec>;

export interface LoadByOptions extends Pick<LoadModelOptions, 'keepIntegers'> {
  /** What the model must give. Default logits. */
  readonly output?: 'logits' | 'score';
  /** That share the model, of which each reads its part. Default: this process has all of it. */
  readonly ranks?: ModelRanks | undefined;
}

/** @param options.keepIntegers leave quantised weights as they are. Default true; gradients need floats */
export function loadModelByOptions(
  options: OptionValues<typeof modelOptions>,
  { ranks, ...how }: LoadByOptions = {},
): LoadedModel {
  prepareRuntime(options.threads === undefined ? {} : { threads: options.threads });
  const read = (place?: SplitPlace): LoadedModel => readModel(options, { keepIntegers: true, ...how, place });
  return ranks === undefined ? read() : ranks.load(read);
}

function readModel(
  options: OptionValues<typeof modelOptions>,
  how: Pick<LoadModelOptions, 'keepIntegers' | 'output' | 'place'>,
): LoadedModel {
  const loaded = loadModel(options.model, {
    ...how,
    configPath: options.config,
    dtype: options.dtype,
    device: options.device === undefined ? undefined : selectDevice(options.device),
  });
  if (options.adapter !== undefined) {
    const { model, architecture, cuts } = loaded;
    for (const layer of loadAdapter(model, architecture.names, options.adapter, undefined, cuts).values())
      if (options.dtype !== undefined) castAdapter(layer, options.dtype);
  }
  return loaded;
}

/** The base has its dtype from loading. */
function castAdapter(layer: LoraLinear, dtype: DType): void {
  for (const part of ['loraA', 'loraB', 'loraMagnitude', 'loraBias'] as const) {
    const parameter = layer[part];
    if (parameter !== undefined) layer.assign(part, parameter.to(dtype));
  }
}
