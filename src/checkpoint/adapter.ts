/** LoRA adapters put on a model from disk (adapter-file.ts) and written from one, in PEFT's form. */
import { join } from 'node:path';
import { InputError } from '../errors/index.js';
import { writeFileAtomic, writeSafetensors } from '../formats/index.js';
import { applyLora, type LoraLinear, type LoraOptions, loraLayers } from '../lora/index.js';
import type { Module } from '../nn/index.js';
import type { Tensor } from '../tensor/index.js';
import { ADAPTER_CONFIG_FILE, peftConfig } from './adapter-config.js';
import { openAdapter, readAdapterLayer, WEIGHT_FILES } from './adapter-file.js';
import { LORA_NAMES, PEFT_PREFIX } from './adapter-names.js';
import type { NameTable } from './name-table.js';
import { publishedLayer } from './published-parameters.js';

/**
 * Puts the adapter at `path` on a model: a PEFT folder, or a file in any container and spelling.
 * @param options rank and alpha; default: those of adapter_config.json beside the weights
 * @throws InputError for layers that the model does not have, halves without their twin, wrong shapes
 */
export function loadAdapter(
  model: Module,
  names: NameTable,
  path: string,
  options?: LoraOptions,
): Map<string, LoraLinear> {
  const file = openAdapter(path, names, options);
  const adapted = applyLora(model, (layer) => file.layers.has(layer), file.options);
  for (const own of file.layers.keys()) {
    const layer = adapted.get(own);
    if (layer === undefined) throw new InputError(`${file.path}: the model has no linear layer ${own}.`);
    for (const [part, tensor] of readAdapterLayer(file, own, layer))
      layer.assign(part, tensor.toDevice(layer.weight.device));
  }
  return adapted;
}

/** The files of a PEFT folder: the tensors by name, and the text of the config. */
export interface AdapterContent {
  readonly weightFile: string;
  readonly tensors: readonly (readonly [name: string, tensor: Tensor])[];
  readonly configFile: string;
  readonly config: string;
}

/** The adapter of a model as PEFT keeps it; the tensors stay the model's. */
export function adapterContent(model: Module, names: NameTable, baseModel = ''): AdapterContent {
  const layers = [...loraLayers(model)].map(([own, layer]) => ({
    module: publishedLayer(names, own),
    layer,
  }));
  const first = layers[0];
  if (first === undefined) throw new TypeError('the model has no adapter to save');
  const { options, layout } = first.layer;
  const config = peftConfig({ ...options, layout, baseModel, modules: layers.map(({ module }) => module) });
  return {
    weightFile: WEIGHT_FILES[0],
    tensors: layers.flatMap(({ module, layer }) =>
      (['loraA', 'loraB', 'loraMagnitude'] as const).flatMap((part) => {
        const tensor = layer[part];
        return tensor === undefined ? [] : [[`${PEFT_PREFIX}${module}.${LORA_NAMES[part]}`, tensor] as const];
      }),
    ),
    configFile: ADAPTER_CONFIG_FILE,
    config: `${JSON.stringify(config, null, 2)}\n`,
  };
}

/** Writes the adapter of a model as a PEFT folder. */
export function saveAdapter(model: Module, names: NameTable, folder: string, baseModel = ''): void {
  const { weightFile, tensors, configFile, config } = adapterContent(model, names, baseModel);
  writeSafetensors(
    join(folder, weightFile),
    tensors.map(([name, tensor]) => ({
      name,
      dtype: tensor.dtype,
      shape: tensor.shape,
      bytes: () => tensor.toBytes(),
    })),
    { format: 'pt' },
  );
  writeFileAtomic(join(folder, configFile), config);
}
