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
import { LORA_NAMES, parseAdapterName } from './adapter-names.js';
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

  const layers = new Map<string, { loraA?: string; loraB?: string }>();
  for (const name of tensors.keys()) {
    const parsed = parseAdapterName(name);
    const own = parsed === undefined ? undefined : names.toOwn(`${parsed.module}.weight`);
    if (parsed === undefined || own === undefined || own === 'skip')
      throw new InputError(`${weightPath}: tensor "${name}" belongs to no layer of this model.`);
    const layer = own.replace(/\.weight$/, '');
    layers.set(layer, { ...layers.get(layer), [parsed.part]: name });
  }
  const adapted = applyLora(model, (layer) => layers.has(layer), lora);
  for (const [own, parts] of layers) {
    const layer = adapted.get(own);
    if (layer === undefined) throw new InputError(`${weightPath}: the model has no linear layer ${own}.`);
    for (const part of ['loraA', 'loraB'] as const) {
      const name = parts[part];
      const view = name === undefined ? undefined : tensors.get(name);
      if (name === undefined || view === undefined)
        throw new InputError(`${weightPath}: layer ${own} has no ${part === 'loraA' ? 'A' : 'B'} matrix.`);
      const tensor = readMatrix(weightPath, name, view);
      if (tensor.shape.join() !== layer[part].shape.join())
        throw new InputError(
          `${weightPath}: tensor "${name}" has shape [${view.shape.join(', ')}]; rank ${lora.rank} on this layer ` +
            `needs [${layer[part].shape.join(', ')}] (transposed in TeleChat's spelling).`,
        );
      layer.assign(part, tensor.toDevice(layer.weight.device));
    }
  }
  return adapted;
}

function readMatrix(path: string, name: string, view: TensorView): Tensor {
  const { dtype } = view;
  if (!isFloatDType(dtype))
    throw new InputError(`${path}: tensor "${name}" has dtype ${dtype}, not a float one.`);
  if (view.shape.length !== 2)
    throw new InputError(
      `${path}: tensor "${name}" has shape [${view.shape.join(', ')}]; half an adapter is a matrix.`,
    );
  const placed = parseAdapterName(name)?.transposed === true ? transpose(view) : view;
  return noGrad(() => tensorFromBytes(Buffer.concat([...readView(placed)]), placed.shape, dtype));
}

/** The weights of a PEFT folder. @throws InputError if it holds none */
export function adapterFile(folder: string): string {
  const found = WEIGHT_FILES.find((name) => fileStatus(join(folder, name)) !== undefined);
  if (found !== undefined) return join(folder, found);
  throw new InputError(`${join(folder, WEIGHT_FILES[0])} does not exist, nor does ${WEIGHT_FILES[1]}.`);
}

/** Writes the adapter of a model as a PEFT folder. */
export function saveAdapter(model: Module, names: NameTable, folder: string, baseModel = ''): void {
  const layers = [...loraLayers(model)].map(([own, layer]) => ({
    module: publishedLayer(names, own),
    layer,
  }));
  const first = layers[0];
  if (first === undefined) throw new TypeError('the model has no adapter to save');
  const row = (name: string, tensor: Tensor) => ({
    name,
    dtype: tensor.dtype,
    shape: tensor.shape,
    bytes: () => tensor.toBytes(),
  });
  writeSafetensors(
    join(folder, WEIGHT_FILES[0]),
    layers.flatMap(({ module, layer }) => [
      row(`base_model.model.${module}.${LORA_NAMES.loraA}`, layer.loraA),
      row(`base_model.model.${module}.${LORA_NAMES.loraB}`, layer.loraB),
    ]),
    { format: 'pt' },
  );
  const { options, layout } = first.layer;
  const config = peftConfig({ ...options, layout, baseModel, modules: layers.map(({ module }) => module) });
  writeFileAtomic(join(folder, ADAPTER_CONFIG_FILE), `${JSON.stringify(config, null, 2)}\n`);
}
