/** A module's parameters as published weight files. */
import { type WriteModelOptions, writeSafetensorsModel } from '../formats/index.js';
import type { Module } from '../nn/index.js';
import type { NameTable } from './name-table.js';
import { publishedBytes, publishedTensors } from './published-parameters.js';

/** Writes model.safetensors (shards with an index beyond the size of one) into `folder`, under published names. */
export function saveWeights(
  module: Module,
  names: NameTable,
  folder: string,
  options: WriteModelOptions = {},
): void {
  const tensors = publishedTensors(module.namedParameters(), names).map((tensor) => ({
    name: tensor.name,
    dtype: tensor.parameter.dtype,
    shape: tensor.shape,
    bytes: () => publishedBytes(tensor),
  }));
  writeSafetensorsModel(folder, tensors, options);
}
