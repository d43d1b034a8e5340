/** Launch scripts in the form of the published ones (tests/published), and what they come to. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { InputError } from '../../errors/index.js';
import { checkTrainInput } from '../imported-run.js';
import { loadScript, readScript, type ScriptRun } from './load-script.js';
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
    ['--lerning_rate 1e-5', 'lerning_rate: unknown key. Did you mean `learning_rate`?'],
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
  const commands = parseShell(
    `A=1; B="two $A"\nrun --x '$A' "$B" \${A}z \\\n --y # not this\nif [ x ]; then\n skip this\nfi\nrun2 a 2>&1 | tee log && run3`,
    'x.sh',
  );
  expect(commands.map(({ words }) => words)).toEqual([
    ['run', '--x', '$A', 'two 1', '1z', '--y'],
    ['run2', 'a'],
    ['run3'],
  ]);
});

const words = (text: string): (readonly string[])[] =>
  parseShell(text, 'x.sh').map((command) => command.words);

test.each<[string, string[][]]>([
  ['run a > file b', [['run', 'a', 'b']]],
  ['run a 2> e', [['run', 'a']]],
  ['run a 2>e 1>> o < /dev/null', [['run', 'a']]],
  ['run a >| x &> y &', [['run', 'a']]],
  ['run a > >(tee log) 2>&1', [['run', 'a']]],
  ['nohup run a </dev/null >"a b" 2>&1 &', [['nohup', 'run', 'a']]],
  ['run 2 > file', [['run', '2']]],
  ['run a |& tee x', [['run', 'a']]],
  [
    '(cd x && run a)',
    [
      ['cd', 'x'],
      ['run', 'a'],
    ],
  ],
  ['run a \\\n  `# why` \\\n  b', [['run', 'a', 'b']]],
  ['A="x y"; run $A "$A"', [['run', 'x', 'y', 'x y']]],
  ['run \x24{N:-8} \x24{M-a}b', [['run', '8', 'ab']]],
  ['run "$(dirname "$0")/x" $(date +%F)', [['run', '$(dirname "$0")/x', '$(date +%F)']]],
  ['run "a\\"b"', [['run', 'a"b']]],
  ['run "" a#b', [['run', '', 'a#b']]],
])('shell: %j', (text, expected) => {
  expect(words(text)).toEqual(expected);
});

describe('devices of a launch line', () => {
  const program = 'src/train_bash.py --stage sft --model_name_or_path m --dataset a.json';
  const devices = (launcher: string): [number | undefined, string[]] => {
    const { train, warnings } = readScript(`${launcher} ${program}`, 'x.sh');
    const { gradient_accumulation_steps: accumulation } = Object(train.training);
    return [accumulation, warnings.filter((text) => text.includes('this run counts one'))];
  };

  test.each([
    ['deepspeed --include localhost:0,1,2,3', 4],
    ['deepspeed --include="localhost:4,5"', 2],
    ['deepspeed -i localhost:1@other:0,1', 3],
    ['CUDA_VISIBLE_DEVICES=0,1,2 deepspeed', 3],
    ['export CUDA_VISIBLE_DEVICES=0,1,2\ndeepspeed', 3],
    ['CUDA_VISIBLE_DEVICES=0 deepspeed --include localhost:0,1', 2],
    ['CUDA_VISIBLE_DEVICES=0,1,2,3 deepspeed --num_gpus 2', 2],
    ['deepspeed --num_gpus 8', 8],
    ['env CUDA_VISIBLE_DEVICES=0,1 deepspeed', 2],
    ['torchrun --nproc-per-node 4 --nnodes 2', 8],
    ['torchrun --nproc_per_node=4 --nnodes=1 --node_rank 0', 4],
    ['python -m torch.distributed.launch --nproc_per_node 3', 3],
    ['CUDA_VISIBLE_DEVICES=0,1,2,3 torchrun', 1],
    ['CUDA_VISIBLE_DEVICES=0,1 torchrun --nproc_per_node gpu', 2],
    ['D="--nproc_per_node 2 --nnodes 2"\ntorchrun $D', 4],
    ['torchrun --nproc_per_node \x24{GPUS:-4}', 4],
    ['accelerate launch --num_processes 6 --num_machines 2', 6],
    ['accelerate launch --gpu_ids 0,2', 2],
    ['python', 1],
  ])('%s: %i', (launcher, count) => {
    expect(devices(launcher)).toEqual([count, []]);
  });

  test.each([
    'deepspeed',
    'deepspeed --include localhost',
    'deepspeed --exclude localhost:0',
    'deepspeed --hostfile nowhere',
    'deepspeed --num_gpus $N',
    'torchrun --nproc_per_node auto',
    'torchrun --nproc_per_node 2 --nnodes 1:4',
    'accelerate launch',
    'accelerate launch --config_file a.yaml',
  ])('%s: said that they are not known', (launcher) => {
    expect(devices(launcher)).toEqual([1, [expect.stringContaining('--set num_gpus=N')]]);
    expect(readScript(`${launcher} ${program}`, 'x.sh', ['num_gpus=4']).warnings).not.toContainEqual(
      expect.stringContaining('counts one'),
    );
  });

  test('a host file beside the script', () => {
    const folder = mkdtempSync(join(tmpdir(), 'hosts-'));
    writeFileSync(join(folder, 'hosts'), '# two\na slots=8\n\nb slots=4\n');
    const count = (options: string): unknown =>
      Object(
        readScript(`deepspeed --hostfile hosts ${options} ${program}`, join(folder, 'x.sh')).train.training,
      ).gradient_accumulation_steps;
    expect(['', '--exclude b:0', '--include a', '--num_nodes 1', '--num_gpus 2'].map(count)).toEqual([
      12, 11, 8, 8, 4,
    ]);
    writeFileSync(join(folder, 'hosts'), 'a 8\n');
    expect(() => count('')).toThrow('hosts:1: a host file has lines "name slots=N"');
    rmSync(folder, { recursive: true });
  });

  test('train_batch_size of the DeepSpeed file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'batch-'));
    writeFileSync(
      join(folder, 'ds.json'),
      '{"train_batch_size": 64, /* all */ "scheduler": {"type": "WarmupLR"},}',
    );
    const run = (launcher: string): ScriptRun =>
      readScript(`${launcher} ${program} --warmup_ratio 0.1 --deepspeed ds.json`, join(folder, 'x.sh'));
    const { train, warnings } = run('deepspeed');
    expect(train.training).toMatchObject({
      micro_batch_size: 8,
      gradient_accumulation_steps: 8,
      warmup_steps: 1000,
    });
    expect(warnings.filter((text) => text.includes('counts one'))).toEqual([]);
    expect(checkTrainInput(run('deepspeed --num_gpus 8'), 'x').training.schedule_form).toBe('deepspeed');
    expect(() => run('deepspeed --num_gpus 2')).toThrow('is 64, but 2 devices with 8 rows make 16');
    rmSync(folder, { recursive: true });
  });

  test('a selection that deepspeed refuses', () => {
    expect(() => devices('deepspeed --num_gpus 2 --include localhost:0')).toThrow('not both');
  });
});

describe('arguments as argparse and transformers read them', () => {
  const base = 'python src/train_bash.py --model_name_or_path m --dataset a.json';
  const training = (options: string): unknown => readScript(`${base} ${options}`, 'x.sh').train.training;

  test.each([
    ['--lr_scheduler_type cosine_with_restarts', { schedule: 'cosine', min_learning_rate: 0 }],
    ['--lr_scheduler_type polynomial', { schedule: 'linear', min_learning_rate: 1e-7 }],
    ['--lr_scheduler_type constant_with_warmup --warmup_steps 5', { schedule: 'constant', warmup_steps: 5 }],
    ['--warmup_steps 5 --warmup_ratio 0.1', { warmup_steps: 5 }],
    ['--warmup_steps 0 --warmup_ratio 0.1', { warmup_ratio: 0.1 }],
    ['--learning 1e-3', { learning_rate: 1e-3 }],
    ['--per_device_train 3', { micro_batch_size: 3 }],
  ])('%s', (options, expected) => {
    expect(training(options)).toMatchObject(expected);
  });

  test('constant has no warm-up', () => {
    expect(training('--lr_scheduler_type constant --warmup_steps 5')).not.toHaveProperty('warmup_steps');
  });

  test.each([
    ['--lora 3', '--lora could be --lora_rank or --lora_alpha'],
    ['--lr_scheduler_type inverse_sqrt', 'lr_scheduler_type: expected one of'],
  ])('%s is refused', (options, problem) => {
    expect(() => training(options)).toThrow(problem);
  });

  test('a run that goes on', () => {
    const resume = (options: string): unknown => readScript(`${base} ${options}`, 'x.sh').resume;
    expect(
      [
        '',
        '--resume_from_checkpoint',
        '--resume_from_checkpoint out/step-5',
        '--resume_from_checkpoint false',
      ].map(resume),
    ).toEqual([false, true, 'out/step-5', false]);
  });

  test('what a comment cuts off from a command is named, not read', () => {
    const text = `${base} \\\n  --seed 1 \\\n  # --warmup_steps 3 \\\n  --learning_rate 1e-3\npython main.py --seed 2\n`;
    const { train, warnings } = readScript(text, 'x.sh');
    expect(train).toMatchObject({ seed: 1, training: { learning_rate: 5e-5 } });
    expect(warnings).toEqual([
      'line 4: "--learning_rate 1e-3" is not read: a comment ends the command before it, and the shell takes this for another one.',
      'line 5: a second program is started; only the first one is read.',
    ]);
  });
});
