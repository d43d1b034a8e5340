/** Whether ranks can share the matrices of a model: told before anything is allocated. */
import { InputError } from '../../errors/index.js';
import type { Architecture } from '../family.js';

/**
 * @param architecture of the model, of which one without memory is made
 * @param ranks that share its matrices @param what for the message: "parallel.tensor is 3"
 * @throws InputError if its matrices cannot be cut so often; names what fits
 */
export function checkTensorSplit(architecture: Architecture, ranks: number, what: string): void {
  const sizes = sizesToCut(architecture);
  const faultsAt = (count: number): string[] =>
    sizes.flatMap(({ what, size, isEven }) => {
      const fits = isEven ? size % count === 0 : size >= count;
      return fits ? [] : [`${size} ${what}`];
    });
  const faults = faultsAt(ranks);
  if (faults.length === 0) return;
  const fitting = divisorsOf(architecture.shape.numHeads).filter((count) => faultsAt(count).length === 0);
  throw new InputError(
    `${what}, and the model has ${faults.join(', ')}, which so many ranks cannot share evenly; what fits is ` +
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

export function divisorsOf(size: number): number[] {
  return Array.from({ length: size }, (_, index) => index + 1).filter((count) => size % count === 0);
}
