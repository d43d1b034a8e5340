/** A micro-batch of a step, and what its loss counts there. */
import type { Tensor } from '../../tensor/index.js';
import type { LossSums, ObjectiveBatch } from '../objective/objective.js';
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
