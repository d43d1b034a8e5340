/** A model as a command or a caller names it: files, device by name, threads, an adapter over the weights. */
import { loadAdapter } from '../checkpoint/index.js';
import { selectRankDevice } from '../distributed/index.js';
import type { LoraLinear } from '../lora/index.js';
import { type DType, prepareRuntime } from '../tensor/index.js';
import { type LoadedModel, type LoadModelOptions, loadModel } from './load-model.js';

export interface LoadAdaptedModelOptions extends Omit<LoadModelOptions, 'device' | 'architecture'> {
  /** `cpu`, `cuda`, `cuda:1`, … Default cpu. */
  readonly device?: string | undefined;
  /** CPU threads of this process. Default: all cores. */
  readonly threads?: number | undefined;
  /** A LoRA adapter: PEFT folder or safetensors file. */
  readonly adapter?: string | undefined;
}

/** @throws InputError as `loadModel`; for an adapter that is none of this model */
export function loadAdaptedModel(
  path: string,
  { device, threads, adapter, ...options }: LoadAdaptedModelOptions = {},
): LoadedModel {
  prepareRuntime(threads === undefined ? {} : { threads });
  const loaded = loadModel(path, {
    ...options,
    device: device === undefined ? undefined : selectRankDevice(device),
  });
  if (adapter !== undefined) {
    const { model, architecture, cuts } = loaded;
    for (const layer of loadAdapter(model, architecture.names, adapter, undefined, cuts).values())
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
