/** A micro-batch of a step, and what its loss counts there. */
import type { Tensor } from '../../tensor/index.js';
import { type LossDivisors, type LossSums, type ObjectiveBatch, stepLoss } from '../objective/objective.js';
import type { GradientOptions } from './segments.js';

export interface MicroBatchWork {
  /** Among those of all ranks: what is drawn for it depends on this. */
  readonly number: number;
  readonly batch: ObjectiveBatch;
  /** Its part of the step's loss, scaled. Called once. */
  lossOf(sums: LossSums): Tensor;
  readonly routing: Pick<GradientOptions, 'balanceWeight' | 'gradientShare' | 'reportRouting'>;
  /** False: computed for nothing, as other ranks have one more. */
  readonly isCounted: boolean;
}

/** A batch that counts nothing is divided by something all the same. */
const ONE_EACH: LossDivisors = { tokens: 1, records: 1 };

/** With fillers, as many as other ranks have: all ranks take part in what is gathered and summed. @param filler makes one */
export function filledUp(
  work: readonly MicroBatchWork[],
  count: number,
  filler: () => ObjectiveBatch,
): MicroBatchWork[] {
  const fillers = Array.from(
    { length: count - work.length },
    (_, index): MicroBatchWork => ({
      number: work.length + index,
      batch: filler(),
      isCounted: false,
      lossOf: (sums) => stepLoss(sums, ONE_EACH, 0),
      routing: { balanceWeight: 0 },
    }),
  );
  return [...work, ...fillers];
}
