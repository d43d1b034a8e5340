/** Whether ranks, model and the `parallel` section go together: told before anything is allocated. */
import { InputError } from '../../errors/index.js';
import { type Architecture, checkTensorSplit, divisorsOf } from '../../models/index.js';
import { chunksPerStage, type ParallelConfig } from './parallel-config.js';

/** Beside data, which is what is left. */
const GIVEN = ['pipeline', 'context', 'tensor'] as const;

/** Ranks that share one copy of the model. */
export function ranksOfModel({ pipeline, context, tensor }: ParallelConfig): number {
  return pipeline * context * tensor;
}

/** @param size of the world @throws InputError if it is not the product of the axes */
export function checkWorldSize(size: number, parallel: ParallelConfig): void {
  const { data } = parallel;
  const each = ranksOfModel(parallel);
  if (each === 1) {
    if (data === undefined || data === size) return;
    throw new InputError(
      `parallel.data is ${data}, and ${size} ranks were started (WORLD_SIZE); start ${data}, or leave parallel.data out.`,
    );
  }
  const axes = GIVEN.filter((axis) => parallel[axis] > 1);
  const words = axes.map((axis) => `parallel.${axis} ${parallel[axis]}`).join(' x ');
  if (size % each !== 0) {
    const fitting = divisorsOf(size).join(', ');
    const [only] = axes;
    throw new InputError(
      axes.length === 1 && only !== undefined
        ? `parallel.${only} is ${each}, and ${size} ranks were started (WORLD_SIZE), which ${each} does not divide; start a multiple of ` +
            `${each}, or give a ${only} of ${fitting}.`
        : `${words} are ${each} ranks, and ${size} were started (WORLD_SIZE), which ${each} does not divide; start a multiple of ${each}, or ` +
            `give such whose product is ${fitting}.`,
    );
  }
  if (data !== undefined && data * each !== size)
    throw new InputError(
      `parallel.data ${data} x ${words} are ${data * each} ranks, and ${size} were started (WORLD_SIZE); start ` +
        `${data * each}, or leave parallel.data out for ${size / each}.`,
    );
}

/**
 * @param architecture of the model, of which one without memory is made
 * @throws InputError if ranks cannot share it so: names what fits
 */
export function checkModelSplit(architecture: Architecture, parallel: ParallelConfig): void {
  if (parallel.tensor > 1)
    checkTensorSplit(architecture, parallel.tensor, `parallel.tensor is ${parallel.tensor}`);
  const { numLayers, numHeads } = architecture.shape;
  const { pipeline, context, tensor } = parallel;
  const chunks = chunksPerStage(parallel);
  if (pipeline * chunks > numLayers && pipeline > 1) {
    const most = Math.floor(numLayers / chunks);
    const pieces = chunks === 1 ? '' : ` in ${chunks} pieces each`;
    const fitting = most > 1 ? `what fits is 1 to ${most}` : 'what fits is 1';
    throw new InputError(
      `parallel.pipeline is ${pipeline}${pieces}, and the model has ${numLayers} blocks, of which each rank takes one at least for each piece; ` +
        `${fitting}.`,
    );
  }
  if (context > 1 && numHeads % (context * tensor) !== 0) {
    const fitting = divisorsOf(numHeads / tensor).join(', ');
    const each = tensor === 1 ? '' : ` (${numHeads / tensor} on each rank of parallel.tensor)`;
    throw new InputError(
      `parallel.context is ${context}, and the model has ${numHeads} heads${each}, which so many ranks cannot share evenly; what fits is ${fitting}.`,
    );
  }
}
