/** An adapter from disk (adapter-file.ts) on a model: beside its linear layers, in the place of whole tensors. */
import { InputError } from '../../errors/index.js';
import type { TensorView } from '../../formats/index.js';
import { applyLora, type LoraLinear, type LoraOptions } from '../../lora/index.js';
import type { Module } from '../../nn/index.js';
import { isFloatDType, scope, type Tensor } from '../../tensor/index.js';
import type { NameTable } from '../name-table.js';
import { adaptedEmbedding } from './adapted-embedding.js';
import {
  type AdapterFile,
  type AdapterLayer,
  isLinearLayer,
  openAdapter,
  ownPaths,
  readAdapterLayer,
  readFloats,
  wholeView,
} from './adapter-file.js';
import { withTiedOutput } from './tied-output.js';

/**
 * Puts the adapter at `path` on a model: a PEFT folder, or a file in any container and naming. Linear layers get it beside
 * their weights; whole tensors (modules_to_save, trained biases) and embeddings take it into their weights.
 * @param options rank and alpha; default: those of adapter_config.json beside the weights
 * @throws InputError for layers that the model does not have, halves without their twin, wrong shapes
 */
export function loadAdapter(
  model: Module,
  names: NameTable,
  path: string,
  options?: LoraOptions,
): Map<string, LoraLinear> {
  const file = openForModel(model, names, path, options);
  scope(() => assignWhole(model, file));
  const linear = new Map([...file.layers].filter(([, layer]) => isLinearLayer(layer)));
  scope(() => assignEmbeddings(model, file));
  if (linear.size === 0) return new Map();
  const optionsOf = (own: string): LoraOptions => {
    const layer = linear.get(own);
    if (layer === undefined) throw new RangeError(`no layer ${own}`);
    return { ...layer.options, bias: layer.parts.loraBias !== undefined };
  };
  const adapted = applyLora(model, (own) => linear.has(own), optionsOf);
  for (const own of linear.keys()) {
    const layer = adapted.get(own);
    if (layer === undefined) throw new InputError(`${file.path}: the model has no linear layer ${own}.`);
    for (const [part, tensor] of readAdapterLayer(file, own, layer))
      layer.assign(part, tensor.toDevice(layer.weight.device));
  }
  return adapted;
}

/** The adapter as this model can take it. @throws InputError as openAdapter, and where embedding and output are one */
export function openForModel(
  model: Module,
  names: NameTable,
  path: string,
  options?: LoraOptions,
): AdapterFile {
  const file = openAdapter(path, ownPaths(names), options);
  const parameters = new Map(model.namedParameters());
  const table = parameters.get('embedTokens.weight');
  const tied = withTiedOutput(
    file,
    table !== undefined && !parameters.has('lmHead.weight'),
    (view) => table !== undefined && holdsSame(file.path, view, table),
  );
  if (tied.layers.size + tied.whole.size === 0)
    throw new InputError(`${file.path}: an adapter without tensors.`);
  for (const [own] of tied.whole)
    if (!parameters.has(own)) throw new InputError(`${file.path}: the model has no parameter ${own}.`);
  return tied;
}

function holdsSame(path: string, view: TensorView, table: Tensor): boolean {
  if (!isFloatDType(view.dtype) || view.shape.join() !== table.shape.join()) return false;
  return scope(() => readFloats(path, view).to(table.dtype).toDevice(table.device).equals(table));
}

function assignWhole(model: Module, file: AdapterFile): void {
  const parameters = new Map(model.namedParameters());
  for (const own of file.whole.keys()) {
    const parameter = parameters.get(own);
    if (parameter === undefined) continue;
    const { shape, dtype, device } = parameter;
    model.assign(
      own,
      readFloats(file.path, wholeView(file, own, shape))
        .to(dtype)
        .toDevice(device),
    );
  }
}

function assignEmbeddings(model: Module, file: AdapterFile): void {
  const parameters = new Map(model.namedParameters());
  for (const [own, layer] of file.layers) {
    if (isLinearLayer(layer)) continue;
    model.assign(`${own}.weight`, embeddingOf(file, own, layer, parameters.get(`${own}.weight`)));
  }
}

/** Tables with a row for each id. */
const TABLES = ['embedTokens', 'lmHead'];

/**
 * The table of an embedding, or an output projection [V, D], with the adapter in it.
 * @throws InputError if the model does not have it
 */
export function embeddingOf(
  file: AdapterFile,
  own: string,
  layer: AdapterLayer,
  table: Tensor | undefined,
): Tensor {
  if (table === undefined || !TABLES.includes(own) || isLinearLayer(layer))
    throw new InputError(`${file.path}: the model has no embedding ${own}.`);
  const parts = readAdapterLayer(file, own, { inFeatures: table.size(0), outFeatures: table.size(1) });
  return adaptedEmbedding(table, layer, parts);
}
