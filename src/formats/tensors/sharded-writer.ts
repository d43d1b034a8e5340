/** Splits a model's tensors over files of bounded size, with an index beside them. */
import { mkdirSync, rmSync } from 'node:fs';
import { extname, join } from 'node:path';
import { writeFileAtomic } from '../files/atomic-write.js';
import { checkDistinctNames, type TensorInput, tensorBytes } from './file-tensor.js';

export interface WriteShardsOptions {
  /** Largest data size of one file in bytes; a larger tensor gets a file of its own. Default 5e9. */
  readonly maxShardBytes?: number;
}

/**
 * Writes a model into `folder`: one file of the name `single`, or, above `maxShardBytes`, `stem-00001-of-0000N.ext`
 * and the index `single.index.json`. After a failure no file of this call is left.
 * @returns the names of the files written.
 */
export function writeShards(
  folder: string,
  tensors: Iterable<TensorInput>,
  single: string,
  writeShard: (path: string, tensors: readonly TensorInput[]) => void,
  options: WriteShardsOptions = {},
): string[] {
  const shards = splitIntoShards([...tensors], options.maxShardBytes ?? 5e9);
  const nameOf = (index: number): string => shardName(single, index, shards.length);
  const written: string[] = [];
  try {
    mkdirSync(folder, { recursive: true });
    for (const [index, shard] of shards.entries()) {
      writeShard(join(folder, nameOf(index)), shard);
      written.push(nameOf(index));
    }
    if (shards.length > 1) {
      const name = `${single}.index.json`;
      writeFileAtomic(join(folder, name), buildIndex(shards, nameOf));
      written.push(name);
    }
    return written;
  } catch (error) {
    for (const name of written) rmSync(join(folder, name), { force: true });
    throw error;
  }
}

function splitIntoShards(tensors: readonly TensorInput[], maxShardBytes: number): TensorInput[][] {
  checkDistinctNames(tensors);
  let shard: TensorInput[] = [];
  let shardBytes = 0;
  const shards = [shard];
  for (const tensor of tensors) {
    const bytes = tensorBytes(tensor);
    if (shard.length > 0 && shardBytes + bytes > maxShardBytes) {
      shard = [];
      shardBytes = 0;
      shards.push(shard);
    }
    shard.push(tensor);
    shardBytes += bytes;
  }
  return shards;
}

function shardName(single: string, index: number, count: number): string {
  if (count === 1) return single;
  const digits = (value: number): string => String(value).padStart(5, '0');
  const extension = extname(single);
  return `${single.slice(0, -extension.length)}-${digits(index + 1)}-of-${digits(count)}${extension}`;
}

function buildIndex(shards: readonly TensorInput[][], nameOf: (index: number) => string): string {
  const weightMap = shards.flatMap((shard, index) =>
    shard.map(({ name }): [string, string] => [name, nameOf(index)]),
  );
  const totalSize = shards.flat().reduce((total, tensor) => total + tensorBytes(tensor), 0);
  const index = { metadata: { total_size: totalSize }, weight_map: Object.fromEntries(weightMap) };
  return `${JSON.stringify(index, null, 2)}\n`;
}
