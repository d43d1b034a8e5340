/** Evaluation tasks in the midst of a run: on rank 0 alone, while the others wait. */
import { InterruptedError, NonFiniteError } from '../../errors/index.js';
import { log } from '../../log/index.js';
import type { RunRanks } from '../parallel/run-ranks.js';
import type { Trainer } from '../step/trainer.js';
import type { TaskEvaluator, TaskScore } from './task-evaluation.js';

export interface MeasureTasksOptions {
  readonly step: number;
  readonly trainer: Trainer;
  readonly ranks: RunRanks | undefined;
  /** Called again and again, on every rank. */
  readonly beat: () => void;
}

/**
 * All ranks together.
 * @returns undefined on the other ranks, after a signal, and where the model gives no number: the run's own policy for what
 *   is not finite decides over the run
 */
export async function measureTasks(
  evaluator: TaskEvaluator,
  { step, trainer, ranks, beat }: MeasureTasksOptions,
): Promise<readonly TaskScore[] | undefined> {
  const measure = async (goesOn: () => void): Promise<readonly TaskScore[] | undefined> => {
    try {
      return await evaluator.measure(() => {
        beat();
        goesOn();
      });
    } catch (error) {
      if (error instanceof InterruptedError) return undefined;
      if (!(error instanceof NonFiniteError)) throw error;
      log(`warning: the tasks after step ${step} gave no scores: ${error.message}`);
      return undefined;
    }
  };
  return trainer.whileWholeModel(() =>
    ranks === undefined ? measure(() => {}) : ranks.firstAtLength(measure, beat),
  );
}
