/** Storages of a torch file, and the byte ranges of tensors in them. */
import { InputError } from '../../errors/index.js';
import { showValue } from '../files/show-value.js';
import { dtypeBytes } from '../tensors/file-dtype.js';
import type { FileTensor } from '../tensors/file-tensor.js';
import type { PickleContext } from './pickle-machine.js';
import type { TorchStorage, TorchTensor } from './pickle-value.js';

/** The storages of one torch file: first named by its pickle, then placed in the file. */
export class StorageTable {
  readonly #named = new Map<string, TorchStorage>();
  readonly #starts = new Map<string, number>();

  constructor(readonly path: string) {}

  /** Notes a storage of the pickle; several tensors may name one, but always with the same size. */
  name(storage: TorchStorage, context: PickleContext): void {
    const known = this.#named.get(storage.key);
    if (known === undefined) this.#named.set(storage.key, storage);
    else if (bytesOf(known) !== bytesOf(storage))
      context.fail(
        `storage ${showValue(storage.key)} has ${bytesOf(known)} bytes and ${bytesOf(storage)} bytes`,
      );
  }

  /** One TorchStorage for each key. */
  named(): readonly TorchStorage[] {
    return [...this.#named.values()];
  }

  get(key: string): TorchStorage | undefined {
    return this.#named.get(key);
  }

  /** Says where a storage begins and how many bytes it has there. */
  place(storage: TorchStorage, start: number, bytes: number): void {
    const expected = bytesOf(storage);
    if (bytes !== expected)
      throw new InputError(
        `${this.path}: storage ${showValue(storage.key)} has ${bytes} bytes at byte ${start}, its tensors need ${expected}. ` +
          'The file is damaged; download or save it again.',
      );
    this.#starts.set(storage.key, start);
  }

  /** The byte range of a tensor; strides only where its elements do not lie row by row. */
  fileTensor({ storage, dtype, offset, shape, strides, isNegated }: TorchTensor, name: string): FileTensor {
    const base = this.#starts.get(storage.key);
    if (base === undefined) throw new RangeError(`Storage ${storage.key} is not one of ${this.path}.`);
    const width = dtypeBytes(dtype);
    const start = base + storage.viewStart * dtypeBytes(storage.dtype) + offset * width;
    const isEmpty = shape.includes(0);
    const extent = isEmpty ? 0 : shape.reduce((sum, size, dim) => sum + (size - 1) * (strides[dim] ?? 0), 1);
    const ranges = [{ path: this.path, start, end: start + extent * width }];
    const isDense = isEmpty || liesRowByRow(shape, strides);
    // A negated tensor has strides always: its bytes are not to be taken as they lie.
    if (isNegated && !isEmpty) return { name, dtype, shape, ranges, strides, isNegated };
    return { name, dtype, shape, ranges, ...(isDense ? {} : { strides }) };
  }
}

function liesRowByRow(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let dim = shape.length - 1; dim >= 0; dim--) {
    const size = shape[dim] ?? 1;
    if (size !== 1 && strides[dim] !== expected) return false;
    expected *= size;
  }
  return true;
}

function bytesOf({ fileCount, dtype }: TorchStorage): number {
  return fileCount * dtypeBytes(dtype);
}
