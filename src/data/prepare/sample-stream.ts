/** From files to samples: reading, cleaning, deduplication, contamination, this shard's part. */

import { isPublishedChat } from '../../models/index.js';
import { Cleaner, cleanSamples } from '../clean/index.js';
import { ContaminationCheck, type ContaminationSetReport } from '../contamination/index.js';
import { type Duplicate, dropExactDuplicates, dropNearDuplicates } from '../deduplicate/index.js';
import { readSamples } from '../read-samples.js';
import { locationOf, type Sample } from '../sample.js';
import { UnreadKeys } from '../unread-keys.js';
import type { PrepareJob } from './prepare-options.js';
import type { SkipLog } from './skip-log.js';

/** The families' own formats have no place for tools; a template says itself whether it has one. */
function hasTemplate({ recipe, options: { chatTemplate } }: PrepareJob): boolean {
  if (recipe.kind !== 'sft') return false;
  return chatTemplate === undefined ? recipe.family === 'any' : !isPublishedChat(chatTemplate);
}

/** Counts what went by; whole once the stream was read to its end. */
export class SampleStream {
  /** Samples of all machines. */
  read = 0;
  duplicates = 0;
  /** Keys that no form reads, and in how many places they stand. */
  readonly unreadKeys = new UnreadKeys();
  readonly #job: PrepareJob;
  readonly #skips: SkipLog;
  #contamination: ContaminationCheck | undefined;

  constructor(job: PrepareJob, skips: SkipLog) {
    this.#job = job;
    this.#skips = skips;
  }

  /** undefined: not asked for. */
  get contamination(): ContaminationSetReport[] | undefined {
    return this.#contamination?.report();
  }

  /**
   * Every machine of a job array reads all records and leaves the same ones out; then each takes every count-th, so
   * that together they have every sample once.
   */
  async *samples(): AsyncGenerator<Sample, void> {
    const { shard } = this.#job.options;
    for await (const sample of this.#kept()) {
      const number = this.read++;
      if (shard === undefined || number % shard.count === shard.index - 1) yield sample;
    }
  }

  #kept(): AsyncIterable<Sample> {
    const { options, recipe, inputs } = this.#job;
    let samples: AsyncIterable<Sample> = readSamples(inputs, {
      form: options.form,
      onError: options.onError,
      onSkip: (skipped) => this.#skips.add('read', skipped),
      onUnreadKey: this.unreadKeys.add,
      // As Spark's scripts join them.
      ...(recipe.family === 'spark' && { inputSeparator: '' }),
      keepsTools: hasTemplate(this.#job),
    });
    if (options.clean !== undefined)
      samples = cleanSamples(samples, new Cleaner(options.clean), (skipped) =>
        this.#skips.add('clean', skipped),
      );
    const answers = options.answers ?? recipe.answers;
    const onDrop = (duplicate: Duplicate): void => this.#dropDuplicate(duplicate);
    switch (options.deduplicate) {
      case 'exact':
        samples = dropExactDuplicates(samples, onDrop, { answers });
        break;
      case 'near':
        samples = dropNearDuplicates(samples, { answers, workers: options.workers }, onDrop);
        break;
      case undefined:
        break;
    }
    return (options.contamination ?? []).length === 0 ? samples : this.#checked(samples);
  }

  async *#checked(samples: AsyncIterable<Sample>): AsyncGenerator<Sample, void> {
    const { contamination = [], dropContaminated = false } = this.#job.options;
    const check = await ContaminationCheck.load(contamination);
    this.#contamination = check;
    for await (const sample of samples) {
      if (!check.check(sample) || !dropContaminated) yield sample;
      else {
        const message = `${locationOf(sample.origin)}: holds a part of an evaluation item`;
        this.#skips.add('contaminated', { ...sample.origin, reason: 'contaminated', message });
      }
    }
  }

  #dropDuplicate({ dropped, first, similarity }: Duplicate): void {
    this.duplicates += 1;
    const kind = similarity === 1 ? 'duplicate' : 'near duplicate';
    const likeness = similarity === 1 ? 'the same as' : `${(100 * similarity).toFixed(0)} % like`;
    this.#skips.add('duplicate', {
      ...dropped,
      reason: kind,
      message: `${locationOf(dropped)}: ${likeness} ${locationOf(first)}`,
    });
  }
}
