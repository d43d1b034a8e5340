import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from './atomic-write.js';
import { dtypeBytes, toSafetensorsDtype } from './file-dtype.js';
import { checkDistinctNames, type TensorInput, tensorBytes, writeTensorBytes } from './stored-tensor.js';

/**
 * Writes a safetensors file, one tensor at a time, atomically. Tensors are laid out by falling element size, so
 * that each is aligned to its own; the header is padded with spaces to 8 bytes.
 * @throws InputError if the place cannot be written; RangeError if a tensor is faulty (a fault of the caller).
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<TensorInput>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const ordered = [...tensors].toSorted((a, b) => dtypeBytes(b.dtype) - dtypeBytes(a.dtype));
  const header = buildHeader(ordered, metadata);
  writeFileAtomic(path, (write) => {
    write(header);
    for (const tensor of ordered) writeTensorBytes(tensor, write);
  });
}

export interface WriteModelOptions {
  /** Largest data size of one file in bytes; a larger tensor gets a file of its own. Default 5e9. */
  readonly maxShardBytes?: number;
  /** Default {format: 'pt'}, without which transformers refuses the file. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Writes a model into `folder`: model.safetensors, or, above `maxShardBytes`, model-00001-of-0000N.safetensors
 * and model.safetensors.index.json. After a failure no file of this call is left.
 * @returns the names of the files written.
 */
export function writeSafetensorsModel(
  folder: string,
  tensors: Iterable<TensorInput>,
  options: WriteModelOptions = {},
): string[] {
  const { maxShardBytes = 5e9, metadata = { format: 'pt' } } = options;
  const shards = splitIntoShards([...tensors], maxShardBytes);
  const written: string[] = [];
  try {
    mkdirSync(folder, { recursive: true });
    for (const [index, shard] of shards.entries()) {
      const name = shardName(index, shards.length);
      writeSafetensors(join(folder, name), shard, metadata);
      written.push(name);
    }
    if (shards.length > 1) {
      const name = 'model.safetensors.index.json';
      writeFileAtomic(join(folder, name), buildIndex(shards));
      written.push(name);
    }
    return written;
  } catch (error) {
    for (const name of written) rmSync(join(folder, name), { force: true });
    throw error;
  }
}

function splitIntoShards(tensors: readonly TensorInput[], maxShardBytes: number): TensorInput[][] {
  checkNames(tensors);
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

function shardName(index: number, count: number): string {
  if (count === 1) return 'model.safetensors';
  const digits = (value: number): string => String(value).padStart(5, '0');
  return `model-${digits(index + 1)}-of-${digits(count)}.safetensors`;
}

function buildIndex(shards: readonly TensorInput[][]): string {
  const weightMap = shards.flatMap((shard, index) =>
    shard.map(({ name }): [string, string] => [name, shardName(index, shards.length)]),
  );
  const totalSize = shards.flat().reduce((total, tensor) => total + tensorBytes(tensor), 0);
  const index = { metadata: { total_size: totalSize }, weight_map: Object.fromEntries(weightMap) };
  return `${JSON.stringify(index, null, 2)}\n`;
}

function buildHeader(
  tensors: readonly TensorInput[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  checkNames(tensors);
  let offset = 0;
  const fields: [string, unknown][] = tensors.map((tensor) => {
    const begin = offset;
    offset += tensorBytes(tensor);
    const { name, dtype, shape } = tensor;
    return [name, { dtype: toSafetensorsDtype(dtype), shape, data_offsets: [begin, offset] }];
  });
  if (Object.keys(metadata).length > 0) fields.unshift(['__metadata__', metadata]);
  const json = Buffer.from(JSON.stringify(Object.fromEntries(fields)));
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  header.writeBigUInt64LE(BigInt(header.length - 8));
  json.copy(header, 8);
  return header;
}

function checkNames(tensors: readonly TensorInput[]): void {
  checkDistinctNames(tensors);
  if (tensors.some(({ name }) => name === '__metadata__'))
    throw new RangeError('A tensor may not be named __metadata__.');
}
