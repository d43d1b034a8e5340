/** Whether ranks, model and the `parallel` section go together: told before anything is allocated. */
import { InputError } from '../../errors/index.js';
import type { Architecture } from '../../models/index.js';
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

/**
 * @param architecture of the model, of which one without memory is made
 * @throws InputError if its matrices cannot be cut so often; names what fits
 */
export function checkTensorSplit(architecture: Architecture, { tensor }: ParallelConfig): void {
  const sizes = sizesToCut(architecture);
  const faultsAt = (ranks: number): string[] =>
    sizes.flatMap(({ what, size, isEven }) => {
      const fits = isEven ? size % ranks === 0 : size >= ranks;
      return fits ? [] : [`${size} ${what}`];
    });
  const faults = faultsAt(tensor);
  if (faults.length === 0) return;
  const fitting = divisorsOf(architecture.shape.numHeads).filter((ranks) => faultsAt(ranks).length === 0);
  throw new InputError(
    `parallel.tensor is ${tensor}, and the model has ${faults.join(', ')}, which so many ranks cannot share evenly; what fits is ` +
      `${fitting.join(', ')}.`,
  );
}

interface SizeToCut {
  readonly what: string;
  readonly size: number;
  /** False: parts may differ by one. */
  readonly isEven: boolean;
}

function sizesToCut({ shape, tables: { sharding }, createModel }: Architecture): SizeToCut[] {
  const sizes = new Map<string, SizeToCut>();
  const add = (size: SizeToCut): void => {
    sizes.set(`${size.what} ${size.size}`, size);
  };
  add({ what: 'heads', size: shape.numHeads, isEven: true });
  const model = createModel();
  for (const [path, parameter] of model.namedParameters()) {
    const split = sharding.trainedSplitOf(path);
    if (split === undefined || path.includes('.attention.')) continue;
    const { dim, blocks, isVocabulary } = split;
    const size = (parameter.shape[dim] ?? 0) / blocks;
    add({ what: isVocabulary ? 'ids' : 'channels of an MLP', size, isEven: !isVocabulary });
  }
  model.dispose();
  return [...sizes.values()];
}

function divisorsOf(size: number): number[] {
  return Array.from({ length: size }, (_, index) => index + 1).filter((count) => size % count === 0);
}
