/** An adapter from disk (adapter-file.ts) on a model: beside its linear layers, in the place of whole tensors. */
import { InputError } from '../../errors/index.js';
import type { TensorView } from '../../formats/index.js';
import { applyLora, type LoraLinear, type LoraOptions } from '../../lora/index.js';
import type { Module } from '../../nn/index.js';
import { isFloatDType, scope, type Tensor } from '../../tensor/index.js';
import type { NameTable } from '../name-table.js';
import type { TensorCut } from '../tensor-cut.js';
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
 * @param cuts of parameters of which the model has a part; those beside layers come whole, to be cut with them
 * @throws InputError for layers that the model does not have, halves without their twin, wrong shapes
 */
export function loadAdapter(
  model: Module,
  names: NameTable,
  path: string,
  options?: LoraOptions,
  cuts: ReadonlyMap<string, TensorCut> = new Map(),
): Map<string, LoraLinear> {
  const file = openForModel(model, names, path, options);
  scope(() => assignWhole(model, file, cuts));
  const linear = new Map([...file.layers].filter(([, layer]) => isLinearLayer(layer)));
  for (const [ownPath, layer] of file.layers)
    if (!isLinearLayer(layer) && cuts.has(`${ownPath}.weight`))
      throw new InputError(
        `${file.path}: the adapter changes ${ownPath}, whose rows the ranks share; merge it into the model (xinghe convert --merge), ` +
          'or take one process.',
      );
  scope(() => assignEmbeddings(model, names, file));
  if (linear.size === 0) return new Map();
  const optionsOf = (ownPath: string): LoraOptions => {
    const layer = linear.get(ownPath);
    if (layer === undefined) throw new RangeError(`no layer ${ownPath}`);
    return { ...layer.options, bias: layer.parts.loraBias !== undefined };
  };
  const adapted = applyLora(model, (ownPath) => linear.has(ownPath), optionsOf);
  for (const ownPath of linear.keys()) {
    const layer = adapted.get(ownPath);
    if (layer === undefined) throw new InputError(`${file.path}: the model has no linear layer ${ownPath}.`);
    for (const [part, tensor] of readAdapterLayer(file, ownPath, layer))
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
  const table = parameters.get(names.embeddingWeight ?? '');
  const tied = withTiedOutput(
    file,
    names,
    parameters,
    (view) => table !== undefined && holdsSame(file.path, view, table),
  );
  if (tied.layers.size + tied.whole.size === 0)
    throw new InputError(`${file.path}: an adapter without tensors.`);
  for (const [ownPath] of tied.whole)
    if (!parameters.has(ownPath))
      throw new InputError(`${file.path}: the model has no parameter ${ownPath}.`);
  return tied;
}

function holdsSame(path: string, view: TensorView, table: Tensor): boolean {
  if (!isFloatDType(view.dtype) || view.shape.join() !== table.shape.join()) return false;
  return scope(() => readFloats(path, view).to(table.dtype).toDevice(table.device).equals(table));
}

function assignWhole(model: Module, file: AdapterFile, cuts: ReadonlyMap<string, TensorCut>): void {
  const parameters = new Map(model.namedParameters());
  for (const ownPath of file.whole.keys()) {
    const parameter = parameters.get(ownPath);
    if (parameter === undefined) continue;
    const { shape, dtype, device } = parameter;
    const cut = cuts.get(ownPath);
    const whole = readFloats(file.path, wholeView(file, ownPath, cut?.shape ?? shape));
    const own = cut === undefined ? whole : cut.of(whole).clone().contiguous();
    model.assign(ownPath, own.to(dtype).toDevice(device));
  }
}

function assignEmbeddings(model: Module, names: NameTable, file: AdapterFile): void {
  const parameters = new Map(model.namedParameters());
  for (const [ownPath, layer] of file.layers) {
    if (isLinearLayer(layer)) continue;
    model.assign(
      `${ownPath}.weight`,
      embeddingOf(file, names, ownPath, layer, parameters.get(`${ownPath}.weight`)),
    );
  }
}

/**
 * The table of an embedding, or an output projection [V, D], with the adapter in it.
 * @throws InputError if the model does not have it
 */
export function embeddingOf(
  file: AdapterFile,
  names: NameTable,
  ownPath: string,
  layer: AdapterLayer,
  table: Tensor | undefined,
): Tensor {
  const isTable = ownPath === names.ends?.embedding || ownPath === names.ends?.head;
  if (table === undefined || !isTable || isLinearLayer(layer))
    throw new InputError(`${file.path}: the model has no embedding ${ownPath}.`);
  const parts = readAdapterLayer(file, ownPath, { inFeatures: table.size(0), outFeatures: table.size(1) });
  return adaptedEmbedding(table, layer, parts);
}
