/** A module's parameters as published weight files. */
import { writeSafetensorsModel } from '../formats/index.js';
import type { Module } from '../nn/index.js';
import type { NameTable } from './name-table.js';

/** Writes model.safetensors (shards with an index beyond the size of one) into `folder`, under published names. */
export function saveWeights(module: Module, names: NameTable, folder: string): void {
  writeSafetensorsModel(
    folder,
    module.namedParameters().map(([own, parameter]) => ({
      name: names.toPublished(own),
      dtype: parameter.dtype,
      shape: parameter.shape,
      bytes: () => parameter.toBytes(),
    })),
    { metadata: { format: 'pt' } },
  );
}
