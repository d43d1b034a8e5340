/** `xinghe run` in place of `python run_iflytekspark.py`: every published run file as it is, shrunk by `--set`; no processes. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { main } from '../src/cli/main.js';
import { goldenFolder } from './support/golden.js';
import { smallModel, smallSizes, sparkTokenizer, writeLoraRanks } from './support/published/small-run.js';
import { requiresShared } from './support/requires.js';
import { sharedData } from './support/shared-data.js';

const recipes = sharedData('recipes');
const folder = mkdtempSync(join(tmpdir(), 'xinghe-run-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function xinghe(...args: string[]): Promise<Said> {
  const said = { stdout: '', stderr: '' };
  const catching = (stream: 'stdout' | 'stderr') =>
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      said[stream] += String(text);
      return true;
    });
  const spies = [catching('stdout'), catching('stderr')];
  try {
    return { code: await main(args), ...said };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

const files = ['spark', 'telechat-mindformers'].flatMap((suite) =>
  recipes === undefined ? [] : readdirSync(join(recipes, suite)).map((name) => `${suite}/${name}`),
);
const pathOf = (name: string): string => join(recipes ?? '', name);
const lines = (text: string): unknown[] =>
  text
    .trim()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line): unknown => JSON.parse(line));

const SFT = 'spark/run_iflytekspark_13b_sft_800T_A2_64G.yaml';
const INFER = 'spark/run_iflytekspark_13b_infer_800T_A2_64G.yaml';
const rows = `${goldenFolder}mindrecord/sft.mindrecord`;

describe('published run files', requiresShared(recipes), () => {
  let model = '';
  beforeAll(async () => {
    model = await smallModel(pathOf(INFER), mkdtempSync(join(folder, 'model-')));
  });

  const run = (name: string, output: string, ...args: string[]): Promise<Said> =>
    xinghe(
      'run',
      '--config',
      pathOf(name),
      ...args,
      '--set',
      ...smallSizes(pathOf(name)),
      `output_dir=${join(folder, output)}`,
    );

  /** Runs that train take seconds each: one of them here, all in the long run. */
  const inOwnMode = files.filter(
    (name) => process.env.XINGHE_TEST_LONG === '1' || name === SFT || /infer|predict/.test(name),
  );
  test.each(inOwnMode)('%s runs in its own mode', async (name) => {
    const output = name.replaceAll(/\W/g, '-');
    const weights = await smallModel(pathOf(name), mkdtempSync(join(folder, 'model-')));
    if (/infer|predict/.test(name)) {
      const said = await run(
        ...[name, output, '--load_checkpoint', weights, '--predict_data', '[who are you##你好##3]'],
        ...['--predict_length', '4', '--predict_batch', '2'],
      );
      expect(said.code, said.stderr).toBe(0);
      expect(lines(said.stdout)).toHaveLength(3);
      expect(readFileSync(join(folder, output, 'predict_results.jsonl'), 'utf8')).toBe(said.stdout);
      return;
    }
    const said = await run(
      ...[name, output, '--train_dataset', rows, '--load_checkpoint', weights],
      // The published warm-up, and that of the loss scale, are longer than this run.
      ...['--set', 'xinghe.training.steps=2', 'lr_schedule.warmup_steps=0', 'lr_schedule.warmup_ratio=0'],
      'runner_wrapper.scale_sense=1',
    );
    expect(said.code, said.stderr).toBe(0);
    expect(said.stderr).toContain('no effect');
    expect(existsSync(join(folder, output, 'final'))).toBe(true);
  });

  test('predict: the published prompt, questions of a file, one result a line, in order, none dropped', async () => {
    const questions = join(folder, 'questions.json');
    const asked = Array.from({ length: 5 }, (_, index) => ({ input: `question ${index}` }));
    writeFileSync(questions, asked.map((line) => JSON.stringify(line)).join('\n'));
    const args = ['--load-checkpoint', model, '--predict-length', '6', '--prompt', '<User> {}<end><Bot> '];
    const one = await run(INFER, 'one', ...args, '--predict_data', questions);
    const two = await run(INFER, 'two', ...args, '--predict_data', questions, '--predict_batch', '2');
    expect(one.code, one.stderr).toBe(0);
    expect(lines(one.stdout)).toHaveLength(5);
    expect(two.stdout).toBe(one.stdout);
    const bare = await run(INFER, 'bare', ...args.slice(0, 4), '--predict_data', '[question 0]');
    expect(lines(bare.stdout)[0]).not.toEqual(lines(one.stdout)[0]);
    const templated = await run(
      INFER,
      'templated',
      ...args.slice(0, 4),
      '--predict_data',
      '[<User> question 0<end><Bot> ]',
    );
    expect(lines(templated.stdout)[0]).toEqual(lines(one.stdout)[0]);
  });

  test('resume: from the newest checkpoint of output_dir, or from the one that load_checkpoint names', async () => {
    const train = (weights: string, steps: number, ...args: string[]): Promise<Said> =>
      run(
        ...[SFT, 'resumed', '--train_dataset', rows, '--load_checkpoint', weights, ...args],
        ...['--set', `xinghe.training.steps=${steps}`, 'callbacks.1.save_checkpoint_steps=1'],
        ...['runner_wrapper.scale_sense=1', 'parallel_config.data_parallel=1'],
      );
    expect((await train(model, 2)).code).toBe(0);
    expect((await train(model, 2)).stderr).toMatch(/resumed/);
    const checkpoint = join(folder, 'resumed', 'checkpoints', 'step-1');
    const named = await train(checkpoint, 3, '--resume', 'True');
    expect(named.stderr).toContain('step-1');
    expect(named.code, named.stderr).toBe(0);
    const newest = await train(model, 4, '--resume', 'True');
    expect(newest.stderr).toContain('step-3');
    expect(newest.code, newest.stderr).toBe(0);
  });

  test('predict: a second run replaces the results of the first and says so; --output keeps them', async () => {
    const args = ['--load_checkpoint', model, '--predict_length', '2'];
    await run(INFER, 'again', ...args, '--predict_data', '[a##b]');
    const second = await run(INFER, 'again', ...args, '--predict_data', '[c]');
    expect(second.stderr).toContain('held the answers of an earlier run');
    expect(lines(readFileSync(join(folder, 'again', 'predict_results.jsonl'), 'utf8'))).toHaveLength(1);
    const output = join(folder, 'kept.jsonl');
    expect((await run(INFER, 'again', ...args, '--predict_data', '[d]', '--output', output)).code).toBe(0);
    const refused = await run(INFER, 'again', ...args, '--predict_data', '[d]', '--output', output);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('is complete')]);
  });

  test('predict: streamer prints the text of the answer whose turn it is, then its line', async () => {
    const args = [
      '--load_checkpoint',
      model,
      '--predict_length',
      '5',
      '--predict_data',
      '[a##b##c]',
      '--predict_batch',
      '3',
    ];
    const plain = await run(INFER, 'plain', ...args);
    const streamed = await run(INFER, 'streamed', ...args, '--streamer', 'True');
    expect(streamed.stdout).toBe(
      lines(plain.stdout)
        .map((line) => `${String(Object(line).predict)}\n${JSON.stringify(line)}\n`)
        .join(''),
    );
  });

  test('ranks of MindSpore with LoRA matrices among the weights: joined, and worked in', async () => {
    const lora = 'spark/run_iflytekspark_13b_infer_lora_800T_A2_64G.yaml';
    const trained = await run(
      ...[
        'spark/run_iflytekspark_13b_lora_800T_A2_64G.yaml',
        'lora',
        '--train_dataset',
        rows,
        '--load_checkpoint',
        model,
      ],
      ...['--set', 'xinghe.training.steps=3', 'lr_schedule.learning_rate=0.05', 'lr_schedule.warmup_ratio=0'],
      ...['runner_wrapper.scale_sense=1', 'model.model_config.compute_type=float32'],
    );
    expect(trained.code, trained.stderr).toBe(0);
    const ask = [
      '--predict_data',
      '[who##what]',
      '--predict_length',
      '8',
      '--tokenizer_file',
      sparkTokenizer,
    ];
    const float = ['--set', 'model.model_config.compute_type=float32'];
    const ask1 = (output: string, ...args: string[]) => run(lora, output, ...ask, ...args);
    const merged = await ask1('merged', '--load_checkpoint', join(folder, 'lora', 'final'), ...float);
    expect(merged.code, merged.stderr).toBe(0);
    expect(merged.stderr).toContain('has no LoRA matrices');
    const beside = await ask1(
      ...['beside', '--load_checkpoint', join(folder, 'lora', 'adapter'), ...float],
      `model.model_config.checkpoint_name_or_path=${model}`,
    );
    expect(beside.stdout, beside.stderr).toBe(merged.stdout);
    const plain = await ask1('bare', '--load_checkpoint', model, ...float);
    expect(plain.stdout).not.toBe(merged.stdout);
    expect((await ask1('alone', '--load_checkpoint', join(folder, 'lora', 'adapter'))).stderr).toContain(
      'is an adapter; name the model',
    );
    const ranks = join(folder, 'ranks');
    await writeLoraRanks(model, join(folder, 'lora', 'adapter'), ranks);
    const joined = await ask1('joined', '--load_checkpoint', ranks, ...float);
    expect(joined.stdout, joined.stderr).toBe(merged.stdout);
    expect(joined.stderr).not.toContain('has no LoRA matrices');
  });

  test('eval: the perplexity of MindRecord rows', async () => {
    const said = await run(
      SFT,
      'eval',
      '--run_mode',
      'eval',
      '--load_checkpoint',
      model,
      '--eval_dataset',
      rows,
    );
    expect(said.code, said.stderr).toBe(0);
    const [result] = lines(said.stdout).map((line) => Object(line));
    expect(result.PerplexityMetric.PPL).toBeCloseTo(Math.exp(result.PerplexityMetric.loss), 6);
    expect(result.tokens).toBeGreaterThan(0);
  });

  test('export: an ONNX graph with config and tokenizer, LoRA worked in', async () => {
    const target = join(folder, 'exported');
    const args = ['--run_mode', 'export', '--load_checkpoint', model, '--tokenizer_file', sparkTokenizer];
    const said = await run(SFT, 'export', ...args, '--mindir_save_dir', target);
    expect(said.code, said.stderr).toBe(0);
    expect(readdirSync(target, { recursive: true })).toEqual(
      expect.arrayContaining([join('onnx', 'model_fp16.onnx'), 'tokenizer.model']),
    );
    // Nothing of the way there stays.
    expect(readdirSync(folder).filter((name) => name.startsWith('exported'))).toEqual(['exported']);
    const again = await run(SFT, 'export', ...args, '--mindir_save_dir', target);
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining(target)]);
    expect((await run(SFT, 'export', ...args, '--mindir_save_dir', target, '--overwrite')).code).toBe(0);
  });

  test.each<[mode: string, keys: string[]]>([
    ['predict', ['load_checkpoint', 'predict_data']],
    ['eval', ['load_checkpoint', 'eval_dataset.data_loader.dataset_dir']],
    ['export', ['load_checkpoint', 'mindir_save_dir']],
    ['finetune', ['load_checkpoint', 'train_dataset.data_loader.dataset_dir', 'tokenizer_file']],
    ['train', ['train_dataset.data_loader.dataset_dir', 'tokenizer_file']],
  ])('%s without what it needs: all of it named, exit 2', async (mode, keys) => {
    const { code, stdout, stderr } = await run(SFT, 'missing', '--run_mode', mode);
    expect([code, stdout]).toEqual([2, '']);
    for (const key of keys) expect(stderr).toMatch(new RegExp(`: ${key.replaceAll('.', '\\.')}: `));
    expect(existsSync(join(folder, 'missing'))).toBe(false);
  });

  test.each<[args: string[], message: RegExp]>([
    [['--predict_date', '[a]'], /unknown option --predict_date; did you mean --predict_data\?/],
    [['--run-mod', 'eval'], /unknown option --run-mod; did you mean --run_mode\?/],
    [['--run_mode', 'test'], /--run_mode is "test"; give one of train, finetune/],
    [['--use_parallel', 'maybe'], /--use_parallel is "maybe"; give True or False/],
    [['--predict_length', '5.5'], /--predict_length is "5\.5"; give a whole number/],
    [['--task', 'translation'], /task: /],
    [['--run_mode', 'train', '--output', 'x'], /--output is for run_mode predict/],
    [['--run_mode', 'eval', '--overwrite'], /--overwrite is for run_mode predict and export/],
    [['--prompt', 'no place'], /prompt "no place" needs \{\} once/],
    [['--predict_data', 'no-such.json'], /"no-such\.json" is no file that is there/],
    [['--predict_data', '[a####b]'], /question 2 of 3 in "\[…\]" is empty/],
    [
      ['--run_mode', 'eval', '--eval_dataset', rows, '--set', 'metric.type=EntityScore'],
      /metric\.type: expected "PerplexityMetric"/,
    ],
    [
      ['--set', 'run_mode=eval', '--run_mode', 'predict'],
      /--run_mode predict and --set run_mode=eval say the same key/,
    ],
    [['--predict_data', '[a]', '--predict_data', '[b]'], /--predict_data is given twice/],
  ])('%j is refused', async (args, message) => {
    const given =
      args.includes('--predict_data') || args.includes('--run_mode') ? [] : ['--predict_data', '[a]'];
    const { code, stdout, stderr } = await run(
      INFER,
      'refused',
      '--load_checkpoint',
      model,
      ...given,
      ...args,
    );
    expect(stderr).toMatch(message);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(existsSync(join(folder, 'refused'))).toBe(false);
  });
});

test('a configuration of ours is sent to train', async () => {
  const { code, stderr } = await xinghe('run', '--config', 'recipes/debug/telechat-7b-lora.yaml');
  expect([code, stderr]).toEqual([2, expect.stringContaining('go to xinghe train')]);
});
