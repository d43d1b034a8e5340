/** Training by a configuration, as `xinghe train`. */
import type { z } from 'zod';
import { loadTrainingConfig, parseTrainingConfig } from '../compat/index.js';
import { log } from '../log/index.js';
import {
  runTraining,
  type StepRecord,
  type TrainingResult,
  type trainConfigSchema,
} from '../training/index.js';
import { createTaskEvaluator } from './training-tasks.js';

/** A configuration as recipes/ and docs/training.md write it; what is left out has its default. */
export type TrainConfigInput = z.input<typeof trainConfigSchema>;

/** How a run is begun and watched. */
export interface TrainOptions {
  /** `key=value` over the configuration, e.g. `training.steps=100`. */
  readonly set?: readonly string[] | undefined;
  /** Go on from the newest checkpoint of the output folder (`auto`), or from this one. Default: a new run. */
  readonly resume?: string | undefined;
  /** Told of every step, on rank 0. */
  readonly onStep?: ((record: StepRecord) => void) | undefined;
}

/**
 * Runs a whole configuration in this process, which does little else meanwhile. The output folder holds `final/` (a model
 * folder), `checkpoints/`, `metrics.jsonl` and `loss.svg` afterwards. SIGINT and SIGTERM save a checkpoint and end the run.
 * @param config a configuration, or a file: ours (YAML, JSON), a published run file, a launch script
 * @throws InputError for whatever of it is wrong, before anything is written; InterruptedError
 */
export async function train(
  config: string | TrainConfigInput,
  { set = [], resume: asked, onStep }: TrainOptions = {},
): Promise<TrainingResult> {
  const loaded =
    typeof config === 'string'
      ? loadTrainingConfig(config, set)
      : { config: parseTrainingConfig(config, 'the configuration', set), notes: [], resume: false };
  for (const note of loaded.notes) log(note);
  return await runTraining(loaded.config, {
    resume: asked ?? (loaded.resume === true ? 'auto' : loaded.resume || undefined),
    createTaskEvaluator,
    ...(onStep !== undefined && { observer: { step: onStep, close: () => undefined } }),
  });
}
