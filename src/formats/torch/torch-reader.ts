/** Reads files of torch.save, in the zip format and the legacy one. */
import { InputError } from '../../errors/index.js';
import { type InputFile, withInputFile } from '../files/input-file.js';
import { showValue } from '../files/show-value.js';
import type { FileTensor } from '../tensors/file-tensor.js';
import { MAX_PICKLE_BYTES, PickleCursor } from './pickle-cursor.js';
import { readPickle } from './pickle-reader.js';
import type { PickleValue, TorchTensor } from './pickle-value.js';
import { torchDialect } from './torch-globals.js';
import { isLegacyTorch, readLegacyTorch } from './torch-legacy.js';
import { StorageTable } from './torch-storages.js';
import { collectTensors, modelWeights } from './torch-tensors.js';
import { readZipEntries, readZipEntry, type ZipEntry } from './zip-reader.js';

/** A file that torch.save wrote. */
export interface TorchFile {
  readonly path: string;
  /** The zip archive of today or the pickles and raw storages of torch before 1.6. */
  readonly format: 'zip' | 'legacy';
  /** All that was saved; tensors in it become readable by `fileTensor`. */
  readonly root: PickleValue;
  /**
   * The tensors of the model by their dotted path (`a` in {"x": [a]} is `x.0`): of the whole file, or of its
   * state_dict, model_state_dict, module or model where it is a training checkpoint. Tied weights have equal ranges.
   */
  readonly tensors: ReadonlyMap<string, FileTensor>;
  /** Where the bytes of a tensor of `root` lie. */
  fileTensor(tensor: TorchTensor, name: string): FileTensor;
}

/**
 * Reads what torch.save wrote, in either of its formats, but for the tensors' bytes, which stay on disk. Nothing in
 * the file is run, whatever it asks for.
 * @throws InputError for other files, damaged ones, globals that weights do not need, storages that are missing,
 *   compressed or big-endian, tensors that leave their storage, sparse, quantised or complex ones.
 */
export function readTorchFile(path: string): TorchFile {
  return withInputFile(path, parseTorchFile);
}

/** readTorchFile for a file that is open already. */
export function parseTorchFile(file: InputFile): TorchFile {
  const start = file.read(0, 512);
  const isZip = start.length >= 4 && start.readUInt32LE(0) === 0x04034b50;
  if (!isZip && !isLegacyTorch(start)) throw notTorch(file, start);
  const { root, storages } = isZip ? readZipTorch(file) : readLegacyTorch(file);
  const fileTensor = (tensor: TorchTensor, name: string): FileTensor => storages.fileTensor(tensor, name);
  const found = collectTensors(modelWeights(root), file.path);
  const tensors = new Map([...found].map(([name, tensor]) => [name, fileTensor(tensor, name)]));
  return { path: file.path, format: isZip ? 'zip' : 'legacy', root, tensors, fileTensor };
}

/** Archive of `<folder>/data.pkl`, `<folder>/byteorder` and one stored entry `<folder>/data/<key>` for each storage. */
function readZipTorch(file: InputFile): { root: PickleValue; storages: StorageTable } {
  const entries = readZipEntries(file);
  const pickleEntry = [...entries.values()].find(({ name }) => /^[^/]*\/data\.pkl$/.test(name));
  if (pickleEntry === undefined)
    throw new InputError(
      `${file.path} is a zip archive without data.pkl; it is not a file that torch.save wrote.`,
    );
  const folder = pickleEntry.name.slice(0, -'data.pkl'.length);
  if (entries.has(`${folder}constants.pkl`))
    throw new InputError(
      `${file.path} is a TorchScript program, not weights; save its state_dict with torch.save.`,
    );
  checkByteOrder(file, entries.get(`${folder}byteorder`));
  const pickle = readZipEntry(file, pickleEntry, MAX_PICKLE_BYTES);
  const storages = new StorageTable(file.path);
  const cursor = new PickleCursor(`${file.path} (${pickleEntry.name})`, pickle.length, (offset, length) =>
    pickle.subarray(offset, offset + length),
  );
  const root = readPickle(
    cursor,
    torchDialect((storage, context) => storages.name(storage, context)),
  );
  for (const storage of storages.named()) {
    const entry = entries.get(`${folder}data/${storage.key}`);
    if (entry === undefined)
      throw new InputError(
        `${file.path}: the entry ${showValue(`${folder}data/${storage.key}`)} is missing, but tensors lie in it; ` +
          'save or download the file again.',
      );
    if (entry.method !== 0)
      throw new InputError(
        `${file.path}: zip entry ${showValue(entry.name)} is compressed, so that its tensors cannot be read in place; ` +
          'unpack the archive and pack it again uncompressed (zip -0), or save it with torch.save.',
      );
    storages.place(storage, entry.start, entry.size);
  }
  return { root, storages };
}

function checkByteOrder(file: InputFile, entry: ZipEntry | undefined): void {
  if (entry === undefined) return;
  const order = readZipEntry(file, entry, 64).toString('latin1');
  if (order !== 'little')
    throw new InputError(
      `${file.path}: its byteorder is ${showValue(order)}; only little-endian files are read. ` +
        'Load and save it with torch on a little-endian machine.',
    );
}

function notTorch(file: InputFile, start: Buffer): InputError {
  const isTar = start.toString('latin1', 257, 262) === 'ustar';
  if (isTar)
    return new InputError(
      `${file.path} is a tar archive, as torch wrote before version 0.1.10; load and save it with torch 1.x or 2.x.`,
    );
  const found = start.length === 0 ? 'it is empty' : `it begins with ${start.toString('hex', 0, 4)} (hex)`;
  return new InputError(
    `${file.path} is neither a zip archive nor a pickle that torch.save wrote: ${found}. ` +
      'It is cut off, damaged or of another kind (a Git LFS pointer, safetensors, .ckpt).',
  );
}
