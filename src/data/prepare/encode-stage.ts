/** Samples into the store, on several threads. */

import { InputError } from '../../errors/index.js';
import { mapOrdered } from '../../workers/index.js';
import { locationOf, type Sample, type SampleOrigin, type SkippedRecord } from '../sample.js';
import type { EncodeInput, EncodeOutput, EncodeSetup } from './encode-samples.js';
import type { SampleStore } from './sample-store.js';

/** One task of a thread: UTF-16 units and samples. */
const BATCH_UNITS = 2 ** 17;
const BATCH_SAMPLES = 1024;

export interface EncodeStageOptions {
  readonly setup: EncodeSetup;
  readonly workers: number | undefined;
  /** Number of each input file. */
  readonly fileNumbers: ReadonlyMap<string, number>;
  readonly onError: 'stop' | 'skip';
  readonly onSkip: (skipped: SkippedRecord) => void;
  /** After every task. */
  readonly onProgress: (samples: number) => void;
}

/** @throws InputError for the first sample that the recipe refuses, unless they are skipped */
export async function encodeSamples(
  samples: AsyncIterable<Sample>,
  store: SampleStore,
  options: EncodeStageOptions,
): Promise<void> {
  const waiting: SampleOrigin[][] = [];
  const source = {
    url: new URL('./encode-samples.js', import.meta.url),
    load: () => import('./encode-samples.js'),
  };
  const outputs = mapOrdered<EncodeSetup, EncodeInput, EncodeOutput>(
    source,
    options.setup,
    batches(samples, waiting),
    { workers: options.workers },
  );
  for await (const output of outputs) {
    const origins = waiting.shift() ?? [];
    for (const { index, message, isEmpty } of output.failures) {
      const origin = origins[index]!;
      const placed = `${locationOf(origin)}: ${message}`;
      if (options.onError === 'stop' && !isEmpty) throw new InputError(placed);
      options.onSkip({
        ...origin,
        reason: isEmpty ? 'nothing to learn' : 'refused by the recipe',
        message: placed,
      });
    }
    store.add(
      output,
      Array.from(output.inputs, (input) => {
        const { file, line } = origins[input]!;
        return { file: options.fileNumbers.get(file) ?? 0, line };
      }),
    );
    options.onProgress(store.count);
  }
}

/** What the threads need of each sample; its origin waits here. */
async function* batches(
  samples: AsyncIterable<Sample>,
  waiting: SampleOrigin[][],
): AsyncGenerator<EncodeInput> {
  let batch: EncodeInput[number][] = [];
  let origins: SampleOrigin[] = [];
  let units = 0;
  for await (const sample of samples) {
    if (sample.kind === 'text') {
      batch.push(sample.text);
      units += sample.text.length;
    } else {
      batch.push({ messages: sample.messages, tools: sample.tools });
      for (const { content } of sample.messages) units += content.length;
    }
    origins.push(sample.origin);
    if (units < BATCH_UNITS && batch.length < BATCH_SAMPLES) continue;
    waiting.push(origins);
    yield batch;
    batch = [];
    origins = [];
    units = 0;
  }
  if (batch.length > 0) {
    waiting.push(origins);
    yield batch;
  }
}
