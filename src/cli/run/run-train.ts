/** `xinghe run --run_mode train|finetune`. */
import { checkTrainInput } from '../../compat/index.js';
import { fileStatus } from '../../formats/index.js';
import { createTaskEvaluator } from '../../library/index.js';
import { isRunCheckpoint, runTraining } from '../../training/index.js';
import type { ModeRun } from './run.js';

export async function runTrain({ published, options }: ModeRun): Promise<number> {
  const config = checkTrainInput(published, options.config);
  await runTraining(config, { resume: checkpointToResume(published), createTaskEvaluator });
  return 0;
}

/** `resume: True` with a checkpoint of a run as load_checkpoint means that one, as published; else the newest of the output folder. */
function checkpointToResume({ resume, model: { weights } }: ModeRun['published']): string | undefined {
  if (resume !== true) return resume || undefined;
  const isNamed =
    weights !== undefined && fileStatus(weights)?.isDirectory() === true && isRunCheckpoint(weights);
  return isNamed ? weights : 'auto';
}
