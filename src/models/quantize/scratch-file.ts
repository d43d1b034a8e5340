/** Tensors that wait on the disk until they are asked for: in a file that has no name any more, and is gone with the process. */
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Tensor, tensorFromBytes } from '../../tensor/index.js';

/** Where one lies. */
export interface SavedTensor {
  readonly start: number;
  readonly shape: readonly number[];
}

export class ScratchFile {
  readonly #descriptor: number;
  #size = 0;
  /** One for all that is read: JavaScript would keep a buffer for each until it collects them. */
  #buffer = Buffer.allocUnsafeSlow(0);

  /** @param folder on a disk with room */
  constructor(folder: string) {
    const path = join(folder, `scratch-${randomBytes(6).toString('hex')}`);
    this.#descriptor = openSync(path, 'wx+', 0o600);
    rmSync(path);
  }

  /** @param tensor float32 @throws the system's error where the disk is full */
  write(tensor: Tensor): SavedTensor {
    const bytes = tensor.contiguous().toBytes();
    const start = this.#size;
    for (let done = 0; done < bytes.length; )
      done += writeSync(this.#descriptor, bytes, done, bytes.length - done, start + done);
    this.#size += bytes.length;
    return { start, shape: tensor.shape };
  }

  /** @returns a copy */
  read({ start, shape }: SavedTensor): Tensor {
    const length = 4 * shape.reduce((product, size) => product * size, 1);
    if (this.#buffer.length < length) this.#buffer = Buffer.allocUnsafeSlow(length);
    for (let done = 0; done < length; ) {
      const count = readSync(this.#descriptor, this.#buffer, done, length - done, start + done);
      if (count === 0) throw new RangeError('nothing was written there');
      done += count;
    }
    return tensorFromBytes(this.#buffer.subarray(0, length), shape, 'float32');
  }

  dispose(): void {
    closeSync(this.#descriptor);
  }
}
