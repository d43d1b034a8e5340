/**
 * LoRA adapters on disk: a PEFT folder (adapter_config.json beside adapter_model.safetensors or .bin), or a file in any of the
 * published spellings (adapter-names.ts). Reading recognises the spelling; writing is PEFT's.
 */
import { dirname, join } from 'node:path';
import { InputError } from '../errors/index.js';
import {
  fileStatus,
  readView,
  type TensorView,
  transpose,
  writeFileAtomic,
  writeSafetensors,
} from '../formats/index.js';
import { applyLora, type LoraLinear, type LoraOptions, loraLayers } from '../lora/index.js';
import type { Module } from '../nn/index.js';
import { isFloatDType, noGrad, type Tensor, tensorFromBytes } from '../tensor/index.js';
import { ADAPTER_CONFIG_FILE, peftConfig, readPeftConfig } from './adapter-config.js';
import { LORA_NAMES, PEFT_PREFIX, parseAdapterName, parseMagnitudeName } from './adapter-names.js';
import type { NameTable } from './name-table.js';
import { openCheckpoint } from './open-checkpoint.js';
import { publishedLayer } from './published-parameters.js';

/** As PEFT names them; without safetensors it writes the second. */
const WEIGHT_FILES = ['adapter_model.safetensors', 'adapter_model.bin'] as const;

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
  const status = fileStatus(path);
  if (status === undefined) throw new InputError(`${path}: no such adapter folder or file.`);
  const weightPath = status.isDirectory() ? adapterFile(path) : path;
  const folder = status.isDirectory() ? path : dirname(path);
  const lora = options ?? readPeftConfig(join(folder, ADAPTER_CONFIG_FILE));
  const tensors = openCheckpoint(weightPath).ranks[0] ?? new Map<string, TensorView>();

  const layers = partsByLayer(weightPath, tensors.keys(), names);
  const adapted = applyLora(model, (layer) => layers.has(layer), lora);
  for (const [own, parts] of layers) {
    const layer = adapted.get(own);
    if (layer === undefined) throw new InputError(`${weightPath}: the model has no linear layer ${own}.`);
    if (layer.loraMagnitude === undefined && parts.loraMagnitude !== undefined)
      throw new InputError(
        `${weightPath}: tensor "${parts.loraMagnitude}" is DoRA's, but the adapter's config does not say use_dora.`,
      );
    for (const part of ['loraA', 'loraB', 'loraMagnitude'] as const) {
      const target = layer[part];
      if (target === undefined) continue;
      const name = parts[part];
      const view = name === undefined ? undefined : tensors.get(name);
      if (name === undefined || view === undefined)
        throw new InputError(`${weightPath}: layer ${own} has no ${PART_TITLES[part]}.`);
      const tensor = readPart(weightPath, name, view);
      if (tensor.shape.join() !== target.shape.join())
        throw new InputError(
          `${weightPath}: tensor "${name}" has shape [${view.shape.join(', ')}]; rank ${lora.rank} on this layer ` +
            `needs [${target.shape.join(', ')}] (transposed in TeleChat's spelling).`,
        );
      layer.assign(part, tensor.toDevice(layer.weight.device));
    }
  }
  return adapted;
}

const PART_TITLES = { loraA: 'A matrix', loraB: 'B matrix', loraMagnitude: 'magnitude' } as const;

type AdapterParts = { readonly [Part in keyof typeof PART_TITLES]?: string };

/** Names of the tensors, by our path of the layer and what they are to it. */
function partsByLayer(path: string, tensors: Iterable<string>, names: NameTable): Map<string, AdapterParts> {
  const layers = new Map<string, AdapterParts>();
  for (const name of tensors) {
    const matrix = parseAdapterName(name);
    const module = matrix?.module ?? parseMagnitudeName(name);
    const own = module === undefined ? undefined : names.toOwn(`${module}.weight`);
    if (own === undefined || own === 'skip')
      throw new InputError(`${path}: tensor "${name}" belongs to no layer of this model.`);
    const layer = own.replace(/\.weight$/, '');
    layers.set(layer, { ...layers.get(layer), [matrix?.part ?? 'loraMagnitude']: name });
  }
  return layers;
}

function readPart(path: string, name: string, view: TensorView): Tensor {
  const { dtype } = view;
  if (!isFloatDType(dtype))
    throw new InputError(`${path}: tensor "${name}" has dtype ${dtype}, not a float one.`);
  const matrix = parseAdapterName(name);
  if (matrix !== undefined && view.shape.length !== 2)
    throw new InputError(
      `${path}: tensor "${name}" has shape [${view.shape.join(', ')}]; half an adapter is a matrix.`,
    );
  const placed = matrix?.transposed === true ? transpose(view) : view;
  return noGrad(() => tensorFromBytes(Buffer.concat([...readView(placed)]), placed.shape, dtype));
}

/** The weights of a PEFT folder. @throws InputError if it holds none */
export function adapterFile(folder: string): string {
  const found = WEIGHT_FILES.find((name) => fileStatus(join(folder, name)) !== undefined);
  if (found !== undefined) return join(folder, found);
  throw new InputError(`${join(folder, WEIGHT_FILES[0])} does not exist, nor does ${WEIGHT_FILES[1]}.`);
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
