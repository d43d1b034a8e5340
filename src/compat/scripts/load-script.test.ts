/** Launch scripts in the form of the published ones (tests/published), and what they come to. */
import { describe, expect, test } from 'vitest';
import { InputError } from '../../errors/index.js';
import { checkTrainInput } from '../imported-run.js';
import { loadScript, readScript } from './load-script.js';
import { parseShell } from './shell-words.js';

const telechat = 'tests/support/published/telechat-lora.sh';
const xverse = 'tests/support/published/xverse.sh';

test('TeleChat: arguments, and what its programs fix in their code', () => {
  const run = loadScript(telechat, ['model_name_or_path=models/7B']);
  expect(run).toMatchObject({ suite: 'telechat', zeroStage: 3, missing: [] });
  const { lora, training, data, model, output, seed, checkpoints } = checkTrainInput(run, telechat);
  expect({ lora, data, model, output, seed, checkpoints }).toMatchObject({
    lora: { rank: 8, alpha: 1, dropout: 0, target_modules: ['self_attention.'] },
    data: { dataset: 'datas/rows', shuffle: true },
    model: { path: 'models/7B' },
    output: 'lora-run',
    seed: 42,
    checkpoints: { every: 100 },
  });
  expect(training).toMatchObject({
    epochs: 1,
    micro_batch_size: 1,
    gradient_accumulation_steps: 4 * 8,
    precision: 'float16-mixed',
    loss_scale: { kind: 'dynamic', initial: 4096, factor: 2, window: 500 },
    learning_rate: 3e-5,
    min_learning_rate: 0,
    schedule: 'cosine',
    schedule_form: 'hf',
    warmup_ratio: 0.1,
    beta1: 0.9,
    beta2: 0.95,
    eps: 1e-5,
    weight_decay: 1e-4,
    max_grad_norm: 1,
    recompute: 'full',
    adamw: 'torch',
  });
});

test('TeleChat-52B: arguments alone, bfloat16 without being asked', () => {
  const run = readScript(
    '--data_path rows --model_name_or_path models --max_seq_len 1024 --learning_rate 3e-5 --lora_dim 8 ' +
      '--mark_only_lora_as_trainable --lora_module_name attn.c_attn --zero_stage 3 --offload --save_steps 100',
    'args.txt',
  );
  const { training, lora } = checkTrainInput(run, 'args.txt');
  expect(training).toMatchObject({ precision: 'bfloat16-mixed', offload: { optimizer: true } });
  expect(training.loss_scale).toBeUndefined();
  expect(lora?.target_modules).toEqual(['attn.c_attn']);
  // The published program learns every token unless it is told with_loss_mask.
  expect(run.train.data).toMatchObject({ learn: 'all' });
});

test('XVERSE: the arguments fill the "auto" of deepspeed.json beside the script', () => {
  const run = loadScript(xverse, ['model_name_or_path=m', 'dataset=alpaca.json', 'eval_dataset=held.json']);
  const { training, data, evaluation, checkpoints } = checkTrainInput(run, xverse);
  expect(run).toMatchObject({ suite: 'xverse', zeroStage: 2, missing: [] });
  expect(training).toMatchObject({
    epochs: 2,
    micro_batch_size: 4,
    gradient_accumulation_steps: 4 * 8,
    precision: 'bfloat16-mixed',
    learning_rate: 2e-5,
    schedule: 'cosine',
    max_grad_norm: 0.5,
    beta1: 0.9,
    beta2: 0.999,
  });
  expect(data).toMatchObject({
    files: ['alpaca.json'],
    form: 'alpaca',
    packing: 'none',
    sequence_length: 1024,
  });
  expect(evaluation).toMatchObject({ files: ['held.json'], every: 200 });
  expect(checkpoints).toMatchObject({ every: 200, keep_best: true });
  expect(run.ignored.map(({ key }) => key)).toContain('deepspeed.zero_optimization.overlap_comm');
});

test('what a script leaves to its user is named with the way to set it', () => {
  expect(() => checkTrainInput(loadScript(telechat), 't.sh')).toThrow(
    't.sh: model_name_or_path: is $1: --set model_name_or_path=PATH (a model folder).',
  );
  expect(() => checkTrainInput(loadScript(xverse), 'x.sh')).toThrow(
    'x.sh: dataset: alpaca_gpt4_en is a name that the published program knows; give the file: --set dataset=FILE.',
  );
});

test('keys of ours go over the arguments', () => {
  const run = loadScript(telechat, [
    'xinghe.model.path=m',
    'xinghe.training.steps=3',
    'xinghe.data.files=[a.jsonl]',
    'xinghe.data.form=telechat',
  ]);
  const config = checkTrainInput(run, 'x');
  expect(config.training.steps).toBe(3);
  expect(config.training.epochs).toBeUndefined();
  expect(config.data).toMatchObject({ files: ['a.jsonl'] });
  expect(() => loadScript(telechat, ['training.steps=3'])).toThrow('write --set xinghe.training.steps=3');
});

describe('refusals', () => {
  test.each([
    ['--learning_rat 1e-5', 'learning_rat: unknown key. Did you mean `learning_rate`?'],
    ['--learning_rate x', 'learning_rate: expected a number, got "x"'],
    ['--lora_dim 8 --lora_module_name q', 'give mark_only_lora_as_trainable'],
    ['--seed 1 --seed 2', '--seed is given twice'],
    ['--seed 1 2', '"2" belongs to no argument'],
    ['echo hello', "no call of TeleChat's main.py"],
    ['deepspeed main.py --seed "1', 'fuzz.sh:1: the quote " does not end'],
    ['--stage rm', 'stage: expected one of "sft", "pt", got "rm"'],
  ])('%s', (text, problem) => {
    expect(() => readScript(text, 'fuzz.sh')).toThrow(InputError);
    expect(() => readScript(text, 'fuzz.sh')).toThrow(problem);
  });
});

test('the shell of launch scripts: quotes, variables, continued lines, comments, redirections', () => {
  const { commands } = parseShell(
    `A=1; B="two $A"\nrun --x '$A' "$B" \${A}z \\\n --y # not this\nif [ x ]; then\n skip this\nfi\nrun2 a 2>&1 | tee log && run3`,
    'x.sh',
  );
  expect(commands).toEqual([['run', '--x', '$A', 'two 1', '1z', '--y'], ['run2', 'a'], ['run3']]);
});
