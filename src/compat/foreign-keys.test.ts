import { describe, expect, test } from 'vitest';
import { knownKeysAt, parseConfig } from '../config/index.js';
import { trainConfigSchema } from '../training/index.js';
import { foreignKeyHint, ourKeyFor } from './foreign-keys.js';

describe('keys of other programs', () => {
  test.each([
    ['lr', 'training.learning_rate'],
    ['num_train_epochs', 'training.epochs'],
    ['per_device_train_batch_size', 'training.micro_batch_size'],
    ['per-device-train-batch-size', 'training.micro_batch_size'],
    ['lora_alpha', 'lora.alpha'],
    ['lora_r', 'lora.rank'],
    ['lora_target', 'lora.target_modules'],
    ['model_name_or_path', 'model.path'],
    ['base_model', 'model.path'],
    ['cutoff_len', 'data.sequence_length'],
    ['lr_scheduler_type', 'training.schedule'],
    ['gradient_checkpointing', 'training.recompute'],
    ['save_total_limit', 'checkpoints.keep_last'],
    ['eval_steps', 'evaluation.every'],
    ['output_dir', 'output'],
    ['bf16', 'training.precision'],
    ['pref_beta', 'training.objective.beta'],
    ['pref_loss', 'training.objective.loss'],
    ['simpo_gamma', 'training.objective.simpo_gamma'],
    ['neftune_noise_alpha', 'training.neftune_noise_alpha'],
    // Ours, in a wrong section.
    ['learning_rate', 'training.learning_rate'],
    ['micro_batch_size', 'training.micro_batch_size'],
    ['target_modules', 'lora.target_modules'],
    ['seed', 'seed'],
    ['nonsense', undefined],
  ])('%s is %s', (theirs, ours) => expect(ourKeyFor(theirs)).toBe(ours));

  test('every key that is named is one of ours', () => {
    for (const name of [
      'lr',
      'load',
      'bf16',
      'save',
      'r',
      'epoch',
      'optim',
      'report_to',
      'wd',
      'eval_iters',
      'template',
    ]) {
      const [first = '', second] = (ourKeyFor(name) ?? '').split('.');
      const known =
        second === undefined ? knownKeysAt(trainConfigSchema, []) : knownKeysAt(trainConfigSchema, [first]);
      expect(known, name).toContain(second ?? first);
    }
  });

  test('the error names the key, wherever the foreign one stands', () => {
    const check = (value: object) => () =>
      parseConfig(
        trainConfigSchema,
        { output: 'o', model: { path: 'm' }, data: { dataset: 'd' }, ...value },
        {
          source: 'run.yaml',
          hintFor: foreignKeyHint,
        },
      );
    expect(check({ training: { lr: 1e-4 } })).toThrow(
      'run.yaml: training.lr: unknown key; here it is `training.learning_rate`.',
    );
    expect(check({ num_train_epochs: 3, training: {} })).toThrow('here it is `training.epochs`');
    expect(check({ training: { logging_steps: 3 } })).toThrow(
      'unknown key; every step is logged; remove it.',
    );
    expect(check({ training: { learning_rat: 3 } })).toThrow('Did you mean `learning_rate`?');
  });
});
