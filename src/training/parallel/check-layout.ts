/** Whether ranks, model and the `parallel` section go together: told before anything is allocated. */
import { InputError } from '../../errors/index.js';
import { type Architecture, checkTensorSplit as checkModelSplit, divisorsOf } from '../../models/index.js';
import type { ParallelConfig } from './parallel-config.js';

/** @param size of the world @throws InputError if it is not the product of the axes */
export function checkWorldSize(size: number, { data, tensor }: ParallelConfig): void {
  if (tensor === 1) {
    if (data === undefined || data === size) return;
    throw new InputError(
      `parallel.data is ${data}, and ${size} ranks were started (WORLD_SIZE); start ${data}, or leave parallel.data out.`,
    );
  }
  const fitting = divisorsOf(size).join(', ');
  if (size % tensor !== 0)
    throw new InputError(
      `parallel.tensor is ${tensor}, and ${size} ranks were started (WORLD_SIZE), which ${tensor} does not divide; start a multiple of ` +
        `${tensor}, or give a tensor of ${fitting}.`,
    );
  if (data !== undefined && data * tensor !== size)
    throw new InputError(
      `parallel.data ${data} x parallel.tensor ${tensor} are ${data * tensor} ranks, and ${size} were started (WORLD_SIZE); start ` +
        `${data * tensor}, or leave parallel.data out for ${size / tensor}.`,
    );
}

/** @throws InputError if the matrices of a model cannot be cut so often; names what fits */
export function checkTensorSplit(architecture: Architecture, { tensor }: ParallelConfig): void {
  checkModelSplit(architecture, tensor, `parallel.tensor is ${tensor}`);
}
