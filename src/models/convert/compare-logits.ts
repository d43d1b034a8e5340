/** Both sides of a conversion on the same ids: what they answer must not have changed. */
import { InputError } from '../../errors/index.js';
import { intTensor, noGrad, prepareEngine, scope } from '../../tensor/index.js';
import { loadModel } from '../load-model.js';
import type { ConversionSource } from './source.js';

export interface LogitsComparison {
  /** Largest |a - b| over all logits, both computed in float32. */
  readonly largestDifference: number;
  /** Standard deviation of the source's logits. */
  readonly deviation: number;
}

interface Compared {
  readonly from: string;
  readonly configPath?: string | undefined;
  readonly merge?: 'merge' | 'unmerge' | undefined;
}

const IDS = 16;

/** @throws InputError if there is no config to compute by, or where weights were merged on purpose */
export function compareLogits(
  { from, configPath, merge }: Compared,
  { architecture }: ConversionSource,
  target: string,
): LogitsComparison {
  if (architecture === undefined)
    throw new InputError(`${from}: comparing logits needs the model's config; give it with --config.`);
  if (merge !== undefined)
    throw new InputError(
      '--check-logits compares equal models; merging an adapter changes what they answer.',
    );
  prepareEngine();
  const { vocabSize } = architecture;
  // Ids spread over the whole vocabulary.
  const ids = Array.from({ length: IDS }, (_, index) => Math.floor(((index + 0.5) * vocabSize) / IDS));
  const logitsOf = (path: string) =>
    scope(() => {
      const { model } = loadModel(path, { configPath, dtype: 'float32' });
      return noGrad(() => model.forward(intTensor(ids, [1, IDS])));
    });
  return scope(() => {
    const [source, converted] = [logitsOf(from), logitsOf(target)];
    return {
      largestDifference: source.sub(converted).abs().max().item(),
      deviation: source.sub(source.mean()).pow(2).mean().sqrt().item(),
    };
  });
}
