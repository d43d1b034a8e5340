/** Near duplicates: samples whose shingles are mostly the same, and of which the same is learned. The first one is kept. */
import { InputError } from '../../errors/index.js';
import { mapOrdered } from '../../workers/index.js';
import type { Sample, SampleOrigin } from '../sample.js';
import { type Duplicate, joinedText } from './exact.js';
import { type LearnedOptions, learnedKey } from './learned-key.js';
import type { MinHashOptions } from './minhash.js';
import { MinHashIndex } from './minhash-index.js';
import type { SignatureBatch } from './minhash-worker.js';

export interface NearDuplicateOptions extends MinHashOptions, LearnedOptions {
  /** Estimated Jaccard similarity from which a sample is dropped. Default 0.8. */
  readonly threshold?: number | undefined;
  /** Threads that compute signatures. Default: one for each core. The result is the same for every number. */
  readonly workers?: number | undefined;
}

/** Texts of one message to a worker: UTF-16 units, and samples. */
const BATCH_UNITS = 2 ** 18;
const BATCH_SAMPLES = 512;

/**
 * Signatures are compared with those of the samples kept so far; a sample is dropped for the most similar one. Memory: about
 * 400 bytes a sample kept, with the default options. Samples without any word are kept.
 * @throws InputError for a threshold outside (0, 1]
 */
export async function* dropNearDuplicates(
  samples: AsyncIterable<Sample>,
  options: NearDuplicateOptions,
  onDrop: (duplicate: Duplicate) => void,
): AsyncGenerator<Sample, void> {
  const { answers = 'all', threshold = 0.8, workers, ...minHash } = options;
  if (!(threshold > 0 && threshold <= 1))
    throw new InputError(
      `The threshold of near duplicates must lie above 0 and at most at 1, got ${threshold}.`,
    );
  const bins = minHash.bins ?? 128;
  const index = new MinHashIndex(bins, threshold);
  const origins: SampleOrigin[] = [];
  /** Of the texts kept those that have one; few have. */
  const keys = new Map<number, string>();
  const waiting: Sample[][] = [];
  const source = {
    url: new URL('./minhash-worker.js', import.meta.url),
    load: () => import('./minhash-worker.js'),
  };
  const texts = batches(samples, waiting);
  const batchSignatures = mapOrdered<MinHashOptions, readonly string[], SignatureBatch>(
    source,
    minHash,
    texts,
    { workers },
  );
  for await (const { signatures, present } of batchSignatures) {
    for (const [number, sample] of (waiting.shift() ?? []).entries()) {
      const at = number * bins;
      const key = learnedKey(sample, answers);
      const found =
        present[number] === 1
          ? index.find(signatures, at, (text) => (keys.get(text) ?? '') === key)
          : undefined;
      if (found !== undefined) {
        onDrop({ dropped: sample.origin, first: origins[found.text]!, similarity: found.similarity });
        continue;
      }
      if (present[number] === 1) {
        const text = index.add(signatures, at);
        if (key !== '') keys.set(text, key);
        origins.push(sample.origin);
      }
      yield sample;
    }
  }
}

/** The texts of each batch; its samples go to `waiting`. */
async function* batches(samples: AsyncIterable<Sample>, waiting: Sample[][]): AsyncGenerator<string[], void> {
  let batch: Sample[] = [];
  let texts: string[] = [];
  let units = 0;
  for await (const sample of samples) {
    const text = joinedText(sample);
    batch.push(sample);
    texts.push(text);
    units += text.length;
    if (units < BATCH_UNITS && batch.length < BATCH_SAMPLES) continue;
    waiting.push(batch);
    yield texts;
    batch = [];
    texts = [];
    units = 0;
  }
  if (batch.length > 0) {
    waiting.push(batch);
    yield texts;
  }
}
