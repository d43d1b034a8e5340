/** Writes safetensors files, alone or as shards with an index. */
import { writeFileAtomic } from '../files/atomic-write.js';
import { dtypeBytes, toSafetensorsDtype } from '../tensors/file-dtype.js';
import {
  checkDistinctNames,
  type TensorDescription,
  type TensorInput,
  tensorBytes,
  writeTensorBytes,
} from '../tensors/file-tensor.js';
import { type WriteShardsOptions, writeShards } from '../tensors/sharded-writer.js';

/**
 * Writes a safetensors file, one tensor at a time, atomically. Tensors are laid out by falling element size, so
 * that each is aligned to its own; the header is padded with spaces to 8 bytes.
 * @throws InputError if the path cannot be written; RangeError if a tensor is faulty (a fault of the caller).
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<TensorInput>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const ordered = bySize(tensors);
  const header = buildHeader(ordered, metadata);
  writeFileAtomic(path, (write) => {
    write(header);
    for (const tensor of ordered) writeTensorBytes(tensor, write);
  });
}

/** Where the tensors of a file lie, for those who write it in pieces. */
export interface SafetensorsLayout {
  readonly header: Uint8Array;
  /** First byte of each tensor in the file, by name. */
  readonly offsets: ReadonlyMap<string, number>;
  /** Of the whole file, in bytes. */
  readonly size: number;
}

/** As `writeSafetensors` lays them out. */
export function safetensorsLayout(
  tensors: readonly TensorDescription[],
  metadata: Readonly<Record<string, string>> = {},
): SafetensorsLayout {
  const ordered = bySize(tensors);
  const header = buildHeader(ordered, metadata);
  let size = header.length;
  const offsets = new Map<string, number>();
  for (const tensor of ordered) {
    offsets.set(tensor.name, size);
    size += tensorBytes(tensor);
  }
  return { header, offsets, size };
}

/** Each is aligned to its own element size then. */
function bySize<Described extends TensorDescription>(tensors: Iterable<Described>): Described[] {
  return [...tensors].toSorted((a, b) => dtypeBytes(b.dtype) - dtypeBytes(a.dtype));
}

export interface WriteModelOptions extends WriteShardsOptions {
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
  const { metadata = { format: 'pt' } } = options;
  const writeShard = (path: string, shard: readonly TensorInput[]): void =>
    writeSafetensors(path, shard, metadata);
  return writeShards(folder, tensors, 'model.safetensors', writeShard, options);
}

function buildHeader(
  tensors: readonly TensorDescription[],
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

function checkNames(tensors: readonly TensorDescription[]): void {
  checkDistinctNames(tensors);
  if (tensors.some(({ name }) => name === '__metadata__'))
    throw new RangeError('A tensor may not be named __metadata__.');
}
