/** Keys of a run file that belong to other run modes than the one it is run in. */
import type { RunMode } from './published-schema.js';

/** Of train and finetune alone. */
const TRAINING_KEYS = [
  'optimizer',
  'lr_schedule',
  'train_dataset',
  'do_eval',
  'eval_step_interval',
  'eval_epoch_interval',
  'recompute_config',
  'callbacks',
  'runner_wrapper',
  'resume_training',
  'resume',
  'optimizer_parallel',
] as const;

/** The keys that a mode reads, of those that not all of them read. */
const MODES: readonly {
  readonly of: string;
  readonly modes: readonly RunMode[];
  readonly keys: readonly string[];
}[] = [
  { of: 'training', modes: ['train', 'finetune'], keys: TRAINING_KEYS },
  { of: 'training and eval', modes: ['train', 'finetune', 'eval'], keys: ['runner_config', 'eval_dataset'] },
  { of: 'eval', modes: ['train', 'finetune', 'eval'], keys: ['metric'] },
  {
    of: 'predict',
    modes: ['predict'],
    keys: ['predict_data', 'predict_length', 'predict_batch', 'prompt', 'streamer'],
  },
  { of: 'export', modes: ['export'], keys: ['mindir_save_dir'] },
];

/** As rules of ineffective-keys.ts: whether, why, which. */
export function keysOfOtherModes(
  mode: RunMode,
): (readonly [applies: boolean, reason: string, keys: readonly string[]])[] {
  return MODES.map(({ of, modes, keys }) => [
    !modes.includes(mode),
    `of ${of}, and run_mode is ${mode}`,
    keys,
  ]);
}
