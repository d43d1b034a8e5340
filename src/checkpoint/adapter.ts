/**
 * LoRA adapters on disk: a PEFT folder (adapter_config.json and adapter_model.safetensors), or a file in any of the
 * published spellings (adapter-names.ts). Reading recognises the spelling; writing is PEFT's.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { parseConfig } from '../config/index.js';
import { InputError } from '../errors/index.js';
import {
  fileStatus,
  readJsonFile,
  readSafetensorsHeader,
  writeFileAtomic,
  writeSafetensors,
} from '../formats/index.js';
import { applyLora, type LoraLinear, type LoraOptions, loraLayers } from '../lora/index.js';
import type { Module } from '../nn/index.js';
import { isFloatDType, MappedFile, noGrad, type Tensor } from '../tensor/index.js';
import { LORA_NAMES, parseAdapterName } from './adapter-names.js';
import type { NameTable } from './name-table.js';
import { publishedLayer } from './published-parameters.js';

const CONFIG_FILE = 'adapter_config.json';
const WEIGHT_FILE = 'adapter_model.safetensors';

const emptyMapping = z
  .record(z.string(), z.unknown())
  .refine((pattern) => Object.keys(pattern).length === 0, {
    message: 'layers with a rank or alpha of their own are not supported',
  })
  .nullish();

const peftConfigSchema = z.object({
  r: z.int().positive(),
  lora_alpha: z.number(),
  lora_dropout: z.number().min(0).lt(1).default(0),
  use_rslora: z.boolean().default(false),
  // One value only: the others are a different method.
  peft_type: z.literal('LORA').default('LORA'),
  bias: z.literal('none').default('none'),
  use_dora: z.literal(false).default(false),
  alpha_pattern: emptyMapping,
  rank_pattern: emptyMapping,
});

/**
 * Puts the adapter at `path` on a model: a PEFT folder, or a safetensors file in any of the spellings.
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
  const weightPath = status.isDirectory() ? join(path, WEIGHT_FILE) : path;
  const lora = options ?? readPeftConfig(join(status.isDirectory() ? path : join(path, '..'), CONFIG_FILE));
  const { tensors } = readSafetensorsHeader(weightPath);

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
  const file = new MappedFile(weightPath);
  try {
    for (const [own, parts] of layers) {
      const layer = adapted.get(own);
      if (layer === undefined) throw new InputError(`${weightPath}: the model has no linear layer ${own}.`);
      for (const part of ['loraA', 'loraB'] as const) {
        const name = parts[part];
        const entry = name === undefined ? undefined : tensors.get(name);
        if (name === undefined || entry === undefined)
          throw new InputError(`${weightPath}: layer ${own} has no ${part === 'loraA' ? 'A' : 'B'} matrix.`);
        if (!isFloatDType(entry.dtype))
          throw new InputError(`${weightPath}: tensor "${name}" has dtype ${entry.dtype}, not a float one.`);
        const stored = file.tensor(entry.byteStart, entry.shape, entry.dtype);
        const tensor = noGrad(() =>
          parseAdapterName(name)?.transposed === true ? stored.transpose(0, 1).contiguous() : stored,
        );
        if (tensor.shape.join() !== layer[part].shape.join())
          throw new InputError(
            `${weightPath}: tensor "${name}" has shape [${entry.shape.join(', ')}]; rank ${lora.rank} on this layer ` +
              `needs [${layer[part].shape.join(', ')}] (transposed in TeleChat's spelling).`,
          );
        layer.assign(part, tensor.toDevice(layer.weight.device));
      }
    }
  } finally {
    file.dispose();
  }
  return adapted;
}

function readPeftConfig(path: string): LoraOptions {
  const { r, lora_alpha, lora_dropout, use_rslora } = parseConfig(peftConfigSchema, readJsonFile(path), {
    source: path,
  });
  // rsLoRA (arXiv 2312.03732) scales by alpha / sqrt(r).
  return { rank: r, alpha: use_rslora ? lora_alpha * Math.sqrt(r) : lora_alpha, dropout: lora_dropout };
}

/** alpha / rank of an adapter folder or file, by the adapter_config.json there. */
export function readAdapterScale(path: string, rank: number): number {
  const folder = fileStatus(path)?.isDirectory() === true ? path : join(path, '..');
  const config = join(folder, CONFIG_FILE);
  if (fileStatus(config) === undefined)
    throw new InputError(
      `${config} does not exist; it would tell the adapter's alpha: give it with --lora-alpha.`,
    );
  const { alpha, rank: stated } = readPeftConfig(config);
  if (stated !== rank)
    throw new InputError(
      `${config}: r is ${stated}, but the matrices have rank ${rank}; they do not belong together.`,
    );
  return alpha / rank;
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
    join(folder, WEIGHT_FILE),
    layers.flatMap(({ module, layer }) => [
      row(`base_model.model.${module}.${LORA_NAMES.loraA}`, layer.loraA),
      row(`base_model.model.${module}.${LORA_NAMES.loraB}`, layer.loraB),
    ]),
    { format: 'pt' },
  );
  const { rank, alpha, dropout = 0 } = first.layer.options;
  const config = {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: baseModel,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: dropout,
    bias: 'none',
    fan_in_fan_out: first.layer.layout === 'in-out',
    // All behind the layer's number: the last word alone may name several layers of a block.
    target_modules: [...new Set(layers.map(({ module }) => module.replace(/^.*\.\d+\./, '')))],
    inference_mode: true,
  };
  writeFileAtomic(join(folder, CONFIG_FILE), `${JSON.stringify(config, null, 2)}\n`);
}
