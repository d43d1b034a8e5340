import { readdirSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, normalize } from 'node:path';
import { InputError } from '../errors/index.js';
import { fileStatus, readError } from './input-file.js';
import { readJsonFile } from './read-json.js';
import { readSafetensorsHeader, type SafetensorsEntry, type SafetensorsFile } from './safetensors-reader.js';
import { showValue } from './show-value.js';

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

const SINGLE_FILE = 'model.safetensors';
const INDEX_SUFFIX = '.safetensors.index.json';

/**
 * Opens a safetensors file, an index, or a folder: its model.safetensors, else its only index, else its only
 * *.safetensors file. Reads headers only.
 * @throws InputError if nothing or too much is found, and as readSafetensorsHeader and readSafetensorsIndex do.
 */
export function openSafetensorsModel(path: string): SafetensorsModel {
  const source = isFolder(path) ? chooseInFolder(path) : path;
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
  const index = isFolder(path) ? indexInFolder(path) : path;
  const weightMap = readWeightMap(index);
  const shardNames = [...new Set(weightMap.values())];
  const shards = new Map(shardNames.map((name) => [name, openShard(index, name)]));
  const tensors = new Map<string, ModelTensorEntry>();
  for (const [name, shardName] of weightMap) {
    const shard = shards.get(shardName);
    const entry = shard?.tensors.get(name);
    if (shard === undefined || entry === undefined) {
      throw new InputError(
        `${index}: weight_map places tensor ${showValue(name)} in ${shardName}, which does not hold it; ` +
          'index and shards do not belong together: download or convert the model again.',
      );
    }
    tensors.set(name, { ...entry, file: shard.path });
  }
  const files = [...shards.values()];
  const surplus = files.flatMap((file) =>
    [...withFile(file).values()].filter((entry) => tensors.get(entry.name)?.file !== file.path),
  );
  const metadata = Object.assign({}, ...files.map((file) => file.metadata).reverse());
  return { files, tensors, metadata, surplus };
}

function readWeightMap(index: string): Map<string, string> {
  const content = readJsonFile(index, { uniqueKeys: true });
  const weightMap =
    typeof content === 'object' && content !== null && 'weight_map' in content
      ? content.weight_map
      : undefined;
  if (typeof weightMap !== 'object' || weightMap === null || Array.isArray(weightMap)) {
    throw new InputError(`${index} has no object "weight_map"; it is not an index of safetensors shards.`);
  }
  return new Map(
    Object.entries(weightMap).map(([name, shard]: [string, unknown]) => {
      if (typeof shard === 'string') return [name, checkedShardName(index, name, shard)];
      throw new InputError(
        `${index}: weight_map[${showValue(name)}] must be the name of a shard file, found ${showValue(shard)}.`,
      );
    }),
  );
}

/** A shard lies in the folder of its index; anything else would let a model name files of the reader's machine. */
function checkedShardName(index: string, tensor: string, shard: string): string {
  const path = normalize(shard);
  const escapes = isAbsolute(path) || path.split('/')[0] === '..' || /[\\\0]/.test(path);
  if (!escapes && path.endsWith('.safetensors')) return path;
  throw new InputError(
    `${index}: weight_map[${showValue(tensor)}] names ${showValue(shard)}; ` +
      'a shard must be a *.safetensors file inside the folder of the index.',
  );
}

function openShard(index: string, name: string): SafetensorsFile {
  const path = join(dirname(index), name);
  if (fileStatus(path) === undefined) {
    throw new InputError(
      `${path} is missing, but ${basename(index)} names it; download or convert it again.`,
    );
  }
  return readSafetensorsHeader(path);
}

function chooseInFolder(folder: string): string {
  const names = readFolder(folder);
  if (names.includes(SINGLE_FILE)) return join(folder, SINGLE_FILE);
  if (names.some((name) => name.endsWith(INDEX_SUFFIX))) return indexInFolder(folder);
  const files = names.filter((name) => name.endsWith('.safetensors'));
  return onlyOne(folder, files, `${SINGLE_FILE}, an index (*${INDEX_SUFFIX}) or a single *.safetensors file`);
}

function indexInFolder(folder: string): string {
  const names = readFolder(folder).filter((name) => name.endsWith(INDEX_SUFFIX));
  return onlyOne(folder, names, `a single index (*${INDEX_SUFFIX})`);
}

function onlyOne(folder: string, names: readonly string[], wanted: string): string {
  const [name] = names;
  if (name !== undefined && names.length === 1) return join(folder, name);
  const found = names.length === 0 ? 'none' : names.slice(0, 5).join(', ');
  throw new InputError(`${folder} should hold ${wanted}; found ${found}. Name the file itself.`);
}

function readFolder(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    throw readError(folder, error);
  }
}

function isFolder(path: string): boolean {
  return fileStatus(path)?.isDirectory() ?? false;
}

function withFile(file: SafetensorsFile): Map<string, ModelTensorEntry> {
  return new Map([...file.tensors].map(([name, entry]) => [name, { ...entry, file: file.path }]));
}
