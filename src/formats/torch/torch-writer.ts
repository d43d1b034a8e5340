/** Writes files that torch.load reads. */
import { createHash } from 'node:crypto';
import { type WriteChunk, writeFileAtomic } from '../files/atomic-write.js';
import { elementCount } from '../tensors/file-dtype.js';
import {
  checkDistinctNames,
  type TensorInput,
  tensorBytes,
  writeTensorBytes,
} from '../tensors/file-tensor.js';
import { type PickleInput, PickleWriter } from './pickle-writer.js';
import { storageClassOf } from './torch-globals.js';
import { ZipWriter } from './zip-writer.js';

/** A tensor within a value to write; one that stands in two places is stored once, as tied weights are. */
export interface TensorLeaf extends Omit<TensorInput, 'name'> {
  readonly kind: 'tensor';
}

/** What torch.save can be given: nested dicts (Map), lists, tuples, scalars, texts, bytes and tensors. */
export type TorchInput = PickleInput<TensorLeaf>;

/** Folder within the archive; torch takes the stem of the file's name, and reads any. */
const FOLDER = 'archive';
/** Storages begin at multiples of this, so that they can be mapped. */
const ALIGNMENT = 64;

/**
 * Writes a state dict (an OrderedDict of contiguous tensors) as torch.save does, one tensor at a time, atomically.
 * torch.load reads it with weights_only and with mmap.
 * @throws InputError if the path cannot be written; RangeError if a tensor is faulty (a fault of the caller).
 */
export function writeTorchFile(path: string, tensors: Iterable<TensorInput>): void {
  writeFileAtomic(path, torchArchive(tensors));
}

/** The content of that file, for a place of the caller's; each call of it asks the tensors for their bytes. */
export function torchArchive(tensors: Iterable<TensorInput>): (write: WriteChunk) => void {
  const all = [...tensors];
  checkDistinctNames(all);
  const leaves = all.map(({ name, dtype, shape, bytes }): [string, TensorLeaf] => [
    name,
    { kind: 'tensor', dtype, shape, bytes },
  ]);
  return archive((writer) => {
    writeOrderedDict(writer);
    writer.setItems(leaves, '');
  });
}

/** Writes any value that torch.save can be given, tensors within it streamed. Throws as writeTorchFile does. */
export function writeTorchValue(path: string, value: TorchInput): void {
  writeFileAtomic(
    path,
    archive((writer) => writer.value(value, '')),
  );
}

interface WrittenStorage extends TensorInput {
  readonly key: string;
}

function archive(writeContent: (writer: PickleWriter<TensorLeaf>) => void): (write: WriteChunk) => void {
  const storages = new Map<TensorLeaf, WrittenStorage>();
  const pickle = new PickleWriter<TensorLeaf>((leaf, writer, name) => {
    const known = storages.get(leaf);
    const { dtype, shape, bytes } = leaf;
    const storage = known ?? { key: String(storages.size), name, dtype, shape, bytes };
    storages.set(leaf, storage);
    writeTensor(writer, storage);
  }).pickle(writeContent);
  return (write) => {
    const zip = new ZipWriter(write, ALIGNMENT);
    const crcs = [
      entry(zip, 'data.pkl', pickle),
      entry(zip, '.format_version', '1'),
      entry(zip, '.storage_alignment', String(ALIGNMENT)),
      entry(zip, 'byteorder', 'little'),
    ];
    for (const storage of storages.values())
      crcs.push(
        zip.entry(`${FOLDER}/data/${storage.key}`, tensorBytes(storage), (chunk) =>
          writeTensorBytes(storage, chunk),
        ),
      );
    crcs.push(entry(zip, 'version', '3\n'));
    entry(zip, '.data/serialization_id', serializationId(crcs));
    zip.finish();
  };
}

function entry(zip: ZipWriter, name: string, content: Uint8Array | string): number {
  const bytes = Buffer.from(content);
  return zip.entry(`${FOLDER}/${name}`, bytes.length, (write) => write(bytes));
}

/** 40 digits that two archives share only if their entries do; torch logs them and compares nothing. */
function serializationId(crcs: readonly number[]): string {
  const digest = createHash('sha256').update(crcs.join(' ')).digest('hex');
  return (BigInt(`0x${digest}`) % 10n ** 40n).toString().padStart(40, '0');
}

function writeOrderedDict(writer: PickleWriter<TensorLeaf>): void {
  writer.global('collections', 'OrderedDict');
  writer.tuple([]);
  writer.reduce();
}

/** torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks), or _v3 with a dtype. */
function writeTensor(writer: PickleWriter<TensorLeaf>, { key, name, dtype, shape }: WrittenStorage): void {
  const storageClass = storageClassOf(dtype);
  const isUntyped = storageClass === 'UntypedStorage';
  const bytes = tensorBytes({ name, dtype, shape });
  writer.global('torch._utils', isUntyped ? '_rebuild_tensor_v3' : '_rebuild_tensor_v2');
  writer.tupleOf(() => {
    writer.tupleOf(() => {
      writer.text('storage');
      writer.global(isUntyped ? 'torch.storage' : 'torch', storageClass);
      writer.text(key);
      writer.text('cpu');
      writer.value(isUntyped ? bytes : (elementCount(shape) ?? 0), name);
    });
    writer.persistentId();
    writer.value(0, name);
    writer.tuple(shape);
    writer.tuple(rowStrides(shape));
    writer.value(false, name);
    writeOrderedDict(writer);
    if (isUntyped) writer.global('torch', dtype);
  });
  writer.reduce();
}

function rowStrides(shape: readonly number[]): number[] {
  return shape.map((_, dim) =>
    shape.slice(dim + 1).reduce((product, size) => product * Math.max(size, 1), 1),
  );
}
