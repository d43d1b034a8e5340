/** Sections of a published run that become sections of ours: evaluation, LoRA, checkpoints. */
import { InputError } from '../../errors/index.js';
import type { TrainInput } from '../imported-run.js';
import { datasetPath } from './dataset-section.js';
import type { PublishedRunFile, RuntimeModelSection } from './published-schema.js';

export function definedDataset(dataset: PublishedRunFile['train_dataset']): { dataset?: string | string[] } {
  const path = datasetPath(dataset);
  return path === undefined ? {} : { dataset: path };
}

export function evaluationOf(
  file: PublishedRunFile,
  { eod_reset }: RuntimeModelSection,
): Pick<TrainInput, 'evaluation'> {
  if (!file.do_eval) return {};
  const every = file.eval_step_interval;
  return {
    evaluation: {
      ...definedDataset(file.eval_dataset),
      document_attention: eod_reset,
      ...(every > 0 && { every }),
    },
  };
}

/** @throws InputError for patterns that are no list of names */
export function loraOf({ pet_config: pet }: RuntimeModelSection, source: string): TrainInput['lora'] {
  if (pet === null || pet === undefined) return undefined;
  const modules = pet.target_modules.split('|').map((part) => part.replace(/^\.\*/, '').replace(/^\./, ''));
  const odd = modules.find((module) => !/^[\w.]+$/.test(module));
  if (odd !== undefined)
    throw new InputError(
      `${source}: model.model_config.pet_config.target_modules: "${odd}" is no name of a layer; give names with | ` +
        'between them, such as q_proj|v_proj.',
    );
  return { rank: pet.lora_rank, alpha: pet.lora_alpha, dropout: pet.lora_dropout, target_modules: modules };
}

export function checkpointsOf({ callbacks }: PublishedRunFile): Pick<TrainInput, 'checkpoints' | 'watch'> {
  let found: Pick<TrainInput, 'checkpoints' | 'watch'> = {};
  for (const callback of callbacks) {
    switch (callback.type) {
      case 'CheckpointMointor':
      case 'CheckpointMonitor':
        found = {
          ...found,
          checkpoints: {
            every: callback.save_checkpoint_steps,
            keep_last: callback.keep_checkpoint_max,
            async: callback.async_save,
          },
        };
        break;
      case 'SummaryMonitor':
        found = { ...found, watch: { tensorboard: true } };
        break;
      case 'MFLossMonitor':
      case 'ObsMonitor':
      case 'EvalCallBack':
      case 'ProfileMonitor':
        break;
    }
  }
  return found;
}
