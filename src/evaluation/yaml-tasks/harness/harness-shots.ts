/** The worked examples that lm-evaluation-harness would show: the first ones, or those that its seed draws. */
import { isDeepStrictEqual } from 'node:util';
import { InputError } from '../../../errors/index.js';
import type { RowRecord } from '../row-field.js';
import { PythonRandom } from './python-random.js';

/** simple_evaluate's fewshot_random_seed. */
const SEED = 1234;

export interface ShotSource {
  readonly rows: readonly RowRecord[];
  readonly sampler: 'first_n' | 'default';
  /** The examples are of the split that is measured: a question must not be its own example. */
  readonly isMeasured: boolean;
}

/** Call it once for each row that is measured, in their order: the harness draws one after the other. */
export class ShotSampler {
  readonly #source: ShotSource;
  readonly #random = new PythonRandom(SEED);

  constructor(source: ShotSource) {
    this.#source = source;
  }

  /** @throws InputError for more than there are */
  shotsFor(row: RowRecord, count: number): readonly RowRecord[] {
    const { rows, sampler, isMeasured } = this.#source;
    const isOther = (each: RowRecord): boolean => !isDeepStrictEqual(each, row);
    const needed = isMeasured && sampler === 'default' ? count + 1 : count;
    const there = isMeasured && sampler === 'first_n' ? rows.filter(isOther) : rows;
    if (needed > there.length)
      throw new InputError(
        `${count} examples are wanted, but the split of the examples has only ${there.length} rows`,
      );
    if (sampler === 'first_n') return there.slice(0, count);
    const drawn = this.#random.sample(there, needed);
    if (!isMeasured) return drawn;
    const others = drawn.filter(isOther).slice(0, count);
    return others.length === count ? others : this.#random.sample(rows.filter(isOther), count);
  }
}
