/** Keys that have no effect because of another value in the same file. */
import { valueAt } from '../imported-run.js';
import type { IgnoredKey } from '../key-tree.js';
import { keysOfOtherModes } from './mode-keys.js';
import type { PublishedRunFile, RuntimeModelSection } from './published-schema.js';

const trains = ({ run_mode: mode }: PublishedRunFile): boolean => mode === 'train' || mode === 'finetune';

/** @param value the file as it was read, to tell what is in it */
export function ineffectiveKeys(
  value: unknown,
  file: PublishedRunFile,
  model: RuntimeModelSection,
): IgnoredKey[] {
  const rules: (readonly [applies: boolean, reason: string, keys: readonly string[]])[] = [
    ...keysOfOtherModes(file.run_mode),
    [
      file.context.device_target !== 'GPU',
      `of a GPU, and device_target is ${file.context.device_target}, in whose place the CPU computes`,
      ['device_id', 'context.device_id'],
    ],
    [file.device_id !== undefined, 'device_id counts', ['context.device_id']],
    [trains(file), 'the evaluation gives the loss, of which perplexity is the exponential', ['metric']],
    [
      trains(file) && file.lr_schedule !== null && file.lr_schedule !== undefined,
      'the rate of lr_schedule counts',
      ['optimizer.learning_rate'],
    ],
    [
      trains(file) && file.runner_config.batch_size !== undefined,
      'runner_config.batch_size counts',
      ['train_dataset.batch_size'],
    ],
    [
      trains(file) && !file.do_eval,
      'do_eval is false',
      ['eval_step_interval', 'eval_epoch_interval', 'eval_dataset.data_loader.dataset_dir'],
    ],
    [
      trains(file) && file.do_eval && file.eval_step_interval > 0,
      'eval_step_interval counts',
      ['eval_epoch_interval'],
    ],
    [
      file.parallel_config.pipeline_stage === 1,
      'of a pipeline, and pipeline_stage is 1',
      ['parallel_config.micro_batch_num'],
    ],
    [
      !model.do_sample,
      'do_sample is false',
      ['top_k', 'top_p', 'temperature'].map((key) => `model.model_config.${key}`),
    ],
    [
      model.repetition_penalty === undefined || model.repetition_penalty === 1,
      'repetition_penalty is 1',
      ['model.model_config.repetition_penalty_increase'],
    ],
    [
      valueAt(value, 'model', 'model_config', 'net_name') === 'telechat_52b',
      'the rotary base of the 52B goes by seq_length',
      ['model.model_config.pretrain_seqlen'],
    ],
  ];
  const found = rules
    .filter(([applies]) => applies)
    .flatMap(([, reason, keys]) => keys.map((key) => ({ key, reason })))
    .filter(({ key }) => valueAt(value, ...key.split('.')) !== undefined);
  return [...new Map(found.map((ignored) => [ignored.key, ignored])).values()];
}
