/**
 * The format of torch before 1.6 (`_use_new_zipfile_serialization=False` today): five pickles, magic number, protocol
 * version, system, the object, the keys of its storages, and then each storage as a u64 count of elements and its
 * bytes, in the order of the keys.
 */
import { InputError } from '../../errors/index.js';
import type { InputFile } from '../files/input-file.js';
import { showValue } from '../files/show-value.js';
import { dtypeBytes } from '../tensors/file-dtype.js';
import { MAX_PICKLE_BYTES, PickleCursor } from './pickle-cursor.js';
import { readPickle } from './pickle-reader.js';
import { isDict, type PickleValue, pickleTypeName, sequenceItems } from './pickle-value.js';
import { torchDialect } from './torch-globals.js';
import { StorageTable } from './torch-storages.js';

/** PROTO 2 to 5, LONG1 of 10 bytes, 0x1950a86a20f9469cfc6c. */
const MAGIC_NUMBER = Buffer.from('8a0a6cfc9c46f9206aa85019', 'hex');
const PROTOCOL_VERSION = 1001;

/** Whether the first bytes are those of a legacy torch file, or at least of a pickle. */
export function isLegacyTorch(start: Buffer): boolean {
  return start[0] === 0x80 && (start[1] ?? 0) >= 2 && (start[1] ?? 0) <= 5;
}

export function readLegacyTorch(file: InputFile): { root: PickleValue; storages: StorageTable } {
  const storages = new StorageTable(file.path);
  const dialect = torchDialect((storage, context) => storages.name(storage, context));
  const end = Math.min(file.size, MAX_PICKLE_BYTES);
  if (file.read(0, 64).indexOf(MAGIC_NUMBER) < 0) throw plainPickle(file);
  const objects: PickleCursor = new PickleCursor(file.path, end, (offset, length) =>
    file.read(offset, length),
  );
  readPickle(objects, dialect);
  const version = readPickle(objects, dialect);
  if (version !== PROTOCOL_VERSION)
    throw new InputError(
      `${file.path}: its protocol version is ${pickleTypeName(version)}; only ${PROTOCOL_VERSION} is known.`,
    );
  checkSystem(file, readPickle(objects, dialect));
  const root = readPickle(objects, dialect);
  const keys = sequenceItems(readPickle(objects, dialect));
  if (keys === undefined) objects.fail('the list of storage keys is missing');
  placeStorages(file, storages, keys, objects.position);
  return { root, storages };
}

function checkSystem(file: InputFile, system: PickleValue): void {
  if (!isDict(system) || system.entries.get('little_endian') !== false) return;
  throw new InputError(
    `${file.path} was written on a big-endian machine; only little-endian files are read. Save it again with torch.`,
  );
}

function placeStorages(
  file: InputFile,
  storages: StorageTable,
  keys: readonly PickleValue[],
  start: number,
): void {
  let position = start;
  const missing = new Set(storages.named().map(({ key }) => key));
  for (const key of keys) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (storage === undefined || !missing.delete(storage.key))
      throw new InputError(
        `${file.path}: the list of storages before byte ${start} holds ${pickleTypeName(key)}, ` +
          'which no tensor names or which stands there twice. The file is damaged; save it again.',
      );
    const count = file.read(position, 8);
    const stated = count.length === 8 ? count.readBigUInt64LE() : -1n;
    const bytes = Number(stated) * dtypeBytes(storage.dtype);
    if (stated < 0n || bytes > file.size - position - 8)
      throw new InputError(
        `${file.path} is cut off: storage ${showValue(storage.key)} at byte ${position} ` +
          `${stated < 0n ? 'has no size' : `states ${stated} elements`}, but the file ends at byte ${file.size}.`,
      );
    storages.place(storage, position + 8, bytes);
    position += 8 + bytes;
  }
  const [lost] = missing;
  if (lost === undefined) return;
  throw new InputError(
    `${file.path}: storage ${showValue(lost)} is not in the list of storages before byte ${start}. ` +
      'The file is damaged; save it again.',
  );
}

function plainPickle(file: InputFile): InputError {
  return new InputError(
    `${file.path} is a Python pickle, but not one that torch.save wrote (its magic number is missing). ` +
      'Save the weights with torch.save.',
  );
}
