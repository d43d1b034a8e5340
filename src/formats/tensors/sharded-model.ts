/** Models in one file or in shards with an index (`weight_map`: tensor to shard), whatever the container of the shards. */
import { readdirSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, normalize } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus, readError } from '../files/input-file.js';
import { showValue } from '../files/show-value.js';
import { readJsonFile } from '../records/read-json.js';

/** How a container names its files. */
export interface ContainerNames {
  /** For messages: "safetensors". */
  readonly container: string;
  /** The file of a model that is not sharded: "model.safetensors". */
  readonly single: string;
  /** Endings of files that may hold tensors: [".safetensors"]. */
  readonly suffixes: readonly string[];
  /** Ending of an index: ".safetensors.index.json". */
  readonly indexSuffix: string;
  /** Files with such an ending that hold something else: "training_args.bin". */
  readonly notWeights?: readonly string[];
}

/** The tensors of some files, of type Entry, by name. */
export interface Sharded<File, Entry> {
  /** In the order of the index. */
  readonly files: readonly File[];
  /** In the order of the index. */
  readonly tensors: ReadonlyMap<string, Entry>;
  /** Tensors in the shards that the index does not place there; empty without an index. */
  readonly surplus: readonly Entry[];
}

/**
 * The file to open for `path`: itself, or in a folder its single file, else its only index, else its only file of
 * tensors.
 * @throws InputError if the folder holds nothing or too much
 */
export function modelFile(path: string, names: ContainerNames): string {
  if (!isFolder(path)) return path;
  const { single, suffixes, indexSuffix, notWeights = [] } = names;
  const found = readFolder(path);
  if (found.includes(single)) return join(path, single);
  if (found.some((name) => name.endsWith(indexSuffix))) return modelIndex(path, names);
  const files = found.filter(
    (name) => suffixes.some((suffix) => name.endsWith(suffix)) && !notWeights.includes(name),
  );
  const any = suffixes.map((suffix) => `*${suffix}`).join(' or ');
  return onlyOne(path, files, `${single}, an index (*${indexSuffix}) or a single ${any} file`);
}

/** The index at `path`, which is one or a folder that holds one. */
export function modelIndex(path: string, { indexSuffix }: ContainerNames): string {
  if (!isFolder(path)) return path;
  const names = readFolder(path).filter((name) => name.endsWith(indexSuffix));
  return onlyOne(path, names, `a single index (*${indexSuffix})`);
}

/**
 * Opens the shards that an index names; `entries` gives the tensors of one.
 * @throws InputError for a faulty index, a shard that is missing or outside the folder, a tensor that its shard
 *   does not hold.
 */
export function openShards<File, Entry>(
  index: string,
  names: ContainerNames,
  open: (path: string) => File,
  entries: (file: File) => ReadonlyMap<string, Entry>,
): Sharded<File, Entry> {
  const weightMap = readWeightMap(index, names);
  const shards = new Map(
    [...new Set(weightMap.values())].map((name) => {
      const file = open(existingShard(index, name));
      return [name, { file, tensors: entries(file) }];
    }),
  );
  const tensors = new Map<string, Entry>();
  for (const [name, shard] of weightMap) {
    const entry = shards.get(shard)?.tensors.get(name);
    if (entry === undefined) {
      throw new InputError(
        `${index}: weight_map places tensor ${showValue(name)} in ${shard}, which does not hold it; ` +
          'index and shards do not belong together: download or convert the model again.',
      );
    }
    tensors.set(name, entry);
  }
  const surplus = [...shards].flatMap(([shard, held]) =>
    [...held.tensors].filter(([name]) => weightMap.get(name) !== shard).map(([, entry]) => entry),
  );
  return { files: [...shards.values()].map(({ file }) => file), tensors, surplus };
}

function readWeightMap(index: string, names: ContainerNames): Map<string, string> {
  const content = readJsonFile(index, { uniqueKeys: true });
  const weightMap =
    typeof content === 'object' && content !== null && 'weight_map' in content
      ? content.weight_map
      : undefined;
  if (typeof weightMap !== 'object' || weightMap === null || Array.isArray(weightMap)) {
    throw new InputError(
      `${index} has no object "weight_map"; it is not an index of ${names.container} shards.`,
    );
  }
  return new Map(
    Object.entries(weightMap).map(([name, shard]: [string, unknown]) => {
      if (typeof shard === 'string') return [name, checkedShardName(index, name, shard, names)];
      throw new InputError(
        `${index}: weight_map[${showValue(name)}] must be the name of a shard file, found ${showValue(shard)}.`,
      );
    }),
  );
}

/** A shard lies in the folder of its index; anything else would let a model name files of the reader's machine. */
function checkedShardName(
  index: string,
  tensor: string,
  shard: string,
  { suffixes }: ContainerNames,
): string {
  const path = normalize(shard);
  const escapes = isAbsolute(path) || path.split('/')[0] === '..' || /[\\\0]/.test(path);
  if (!escapes && suffixes.some((suffix) => path.endsWith(suffix))) return path;
  throw new InputError(
    `${index}: weight_map[${showValue(tensor)}] names ${showValue(shard)}; ` +
      `a shard must be a *${suffixes[0] ?? ''} file inside the folder of the index.`,
  );
}

function existingShard(index: string, name: string): string {
  const path = join(dirname(index), name);
  if (fileStatus(path) !== undefined) return path;
  throw new InputError(`${path} is missing, but ${basename(index)} names it; download or convert it again.`);
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
