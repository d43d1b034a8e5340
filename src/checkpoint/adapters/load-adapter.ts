/** An adapter from disk (adapter-file.ts) beside the layers of a model. */
import { InputError } from '../../errors/index.js';
import { applyLora, type LoraLinear, type LoraOptions } from '../../lora/index.js';
import type { Module } from '../../nn/index.js';
import type { NameTable } from '../name-table.js';
import { openAdapter, readAdapterLayer } from './adapter-file.js';

/**
 * Puts the adapter at `path` on a model: a PEFT folder, or a file in any container and naming.
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
