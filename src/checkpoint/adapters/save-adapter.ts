/** The adapter of a model as a PEFT folder. */
import { join } from 'node:path';
import { writeFileAtomic, writeSafetensors } from '../../formats/index.js';
import { loraLayers } from '../../lora/index.js';
import type { Module } from '../../nn/index.js';
import type { Tensor } from '../../tensor/index.js';
import type { NameTable } from '../name-table.js';
import { publishedLayer } from '../published-parameters.js';
import { ADAPTER_CONFIG_FILE, peftConfig } from './adapter-config.js';
import { WEIGHT_FILES } from './adapter-file.js';
import { LORA_NAMES, PEFT_PREFIX } from './adapter-names.js';

/** The files of a PEFT folder: the tensors by name, and the text of the config. */
export interface AdapterContent {
  readonly weightFile: string;
  readonly tensors: readonly (readonly [name: string, tensor: Tensor])[];
  readonly configFile: string;
  readonly config: string;
}

/**
 * The adapter of a model as PEFT keeps it; the tensors stay the model's.
 * @param wholeLayers own paths of linear layers that were trained whole beside it
 */
export function adapterContent(
  model: Module,
  names: NameTable,
  baseModel = '',
  wholeLayers: readonly string[] = [],
): AdapterContent {
  const layers = [...loraLayers(model)].map(([path, layer]) => ({
    module: publishedLayer(names, path),
    layer,
  }));
  const first = layers[0];
  if (first === undefined) throw new TypeError('the model has no adapter to save');
  const config = peftConfig({
    layers: layers.map(({ module, layer }) => ({ module, options: layer.options })),
    layout: first.layer.layout,
    baseModel,
    wholeModules: wholeLayers.map((own) => publishedLayer(names, own)),
  });
  const whole = model
    .namedParameters()
    .filter(([path]) => wholeLayers.some((layer) => path.startsWith(`${layer}.`)));
  return {
    weightFile: WEIGHT_FILES[0],
    tensors: [
      ...layers.flatMap(({ module, layer }) =>
        (['loraA', 'loraB', 'loraMagnitude', 'loraBias'] as const).flatMap((part) => {
          const tensor = layer[part];
          return tensor === undefined
            ? []
            : [[`${PEFT_PREFIX}${module}.${LORA_NAMES[part]}`, tensor] as const];
        }),
      ),
      ...whole.map(([path, tensor]) => [`${PEFT_PREFIX}${names.toPublished(path)}`, tensor] as const),
    ],
    configFile: ADAPTER_CONFIG_FILE,
    config: `${JSON.stringify(config, null, 2)}\n`,
  };
}

/** Writes the adapter of a model as a PEFT folder. */
export function saveAdapter(
  model: Module,
  names: NameTable,
  folder: string,
  baseModel = '',
  wholeLayers: readonly string[] = [],
): void {
  const { weightFile, tensors, configFile, config } = adapterContent(model, names, baseModel, wholeLayers);
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
