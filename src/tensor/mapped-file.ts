/** A file in the address space, and tensors that lie in it without a copy (on the CPU). */
import type { DType } from './dtype.js';
import { native } from './native.js';
import { Tensor } from './tensor.js';

/**
 * The mapping is private: writing to such a tensor never reaches the file. It lives as long as the last tensor in
 * it, so disposing the MappedFile right after the tensors are made is right.
 */
export class MappedFile {
  #handle: number;

  /** Throws when the file cannot be opened. */
  constructor(path: string) {
    this.#handle = native().mapFile(path);
  }

  /** @param offset of the first byte; a tensor that is not aligned there for its dtype is copied */
  tensor(offset: number, shape: readonly number[], dtype: DType): Tensor {
    return new Tensor(native().tensorInFile(this.#handle, offset, shape, dtype));
  }

  dispose(): void {
    if (this.#handle >= 0) native().unmapFile(this.#handle);
    this.#handle = -1;
  }
}
