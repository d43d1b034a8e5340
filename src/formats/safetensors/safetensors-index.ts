import { type ContainerNames, modelFile, modelIndex, openShards } from '../tensors/sharded-model.js';
import { readSafetensorsHeader, type SafetensorsEntry, type SafetensorsFile } from './safetensors-reader.js';

/** A tensor of a model and the file that holds it. */
export interface ModelTensorEntry extends SafetensorsEntry {
  readonly file: string;
}

/** All tensors of a model, from one file or from shards. */
export interface SafetensorsModel {
  /** In the order of the index. */
  readonly files: readonly SafetensorsFile[];
  readonly tensors: ReadonlyMap<string, ModelTensorEntry>;
  /** `__metadata__` of all files; where they differ, the first file counts. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Tensors in the shards that the index does not name; empty without an index. */
  readonly surplus: readonly ModelTensorEntry[];
}

const NAMES: ContainerNames = {
  container: 'safetensors',
  single: 'model.safetensors',
  suffixes: ['.safetensors'],
  indexSuffix: '.safetensors.index.json',
};

/**
 * Opens a safetensors file, an index, or a folder: its model.safetensors, else its only index, else its only
 * *.safetensors file. Reads headers only.
 * @throws InputError if nothing or too much is found, and as readSafetensorsHeader and readSafetensorsIndex do.
 */
export function openSafetensorsModel(path: string): SafetensorsModel {
  const source = modelFile(path, NAMES);
  if (source.endsWith('.json')) return readSafetensorsIndex(source);
  const file = readSafetensorsHeader(source);
  return { files: [file], tensors: withFile(file), metadata: file.metadata, surplus: [] };
}

/**
 * Opens the shards that an index (`*.safetensors.index.json`, or the folder that holds one) names.
 * @throws InputError for a faulty index, a shard that is missing or outside the folder, a tensor that its shard
 *   does not hold.
 */
export function readSafetensorsIndex(path: string): SafetensorsModel {
  const sharded = openShards(modelIndex(path, NAMES), NAMES, readSafetensorsHeader, withFile);
  const metadata = Object.assign({}, ...sharded.files.map((file) => file.metadata).reverse());
  return { ...sharded, metadata };
}

function withFile(file: SafetensorsFile): Map<string, ModelTensorEntry> {
  return new Map([...file.tensors].map(([name, entry]) => [name, { ...entry, file: file.path }]));
}
