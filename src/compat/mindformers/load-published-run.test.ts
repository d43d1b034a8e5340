/** One published run file with a small model (tests/published): mapping, overrides, refusals. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { publishedRun } from '../../../tests/support/published/published-run.js';
import { openDataset } from '../../data/index.js';
import { InputError } from '../../errors/index.js';
import { MindRecordWriter } from '../../formats/index.js';
import { checkTrainInput, valueAt } from '../imported-run.js';
import { describeIgnored } from '../key-tree.js';
import { loadTrainingConfig } from '../load-training-config.js';
import { loadPublishedRun } from './load-published-run.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-published-run-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SET = ['train_dataset.data_loader.dataset_dir=rows', 'load_checkpoint=weights'];
const load = (...overrides: string[]) => loadPublishedRun(publishedRun(), overrides);
const config = (...overrides: string[]) => checkTrainInput(load(...SET, ...overrides), 'run.yaml');

test('everything with a meaning is mapped', () => {
  expect(config()).toMatchObject({
    output: './output',
    seed: 0,
    device: 'cpu',
    model: { path: 'weights' },
    data: { dataset: 'rows', shuffle: false, document_attention: false },
    lora: { rank: 3, alpha: 128, target_modules: ['q_proj', 'v_proj'] },
    training: {
      epochs: 3,
      micro_batch_size: 2,
      gradient_accumulation_steps: 2,
      precision: 'float32',
      loss_scale: { kind: 'fixed', initial: 1 },
      learning_rate: 3e-3,
      min_learning_rate: 3e-4,
      warmup_ratio: 0.1,
      adamw: 'spark',
      max_grad_norm: 1,
      recompute: 'full',
    },
    checkpoints: { every: 10, keep_last: 5, async: false },
  });
});

test('what has none is listed once, by reason', () => {
  const { ignored, warnings } = load();
  const keys = ignored.map(({ key }) => key);
  expect(keys).toContain('context.max_call_depth');
  expect(new Set(keys).size).toBe(keys.length);
  expect(describeIgnored(ignored).join('\n')).toContain('callbacks.1.prefix');
  expect(warnings[0]).toContain('parallel_config asks for 8 devices');
});

test('generation, predict_data and the layout', () => {
  const run = load('predict_data=[who##what]', 'predict_length=100', 'prompt=Q: {}', 'use_parallel=false');
  expect(run.generation).toMatchObject({
    sampling: {
      temperature: 1,
      topK: 3,
      topP: 0.8,
      repetitionPenalty: 1.2,
      repetitionPenaltyKind: 'subtractive',
      repetitionPenaltyIncrease: 0.1,
    },
    questions: ['who', 'what'],
    maxNewTokens: 100,
    template: 'Q: {}',
  });
  expect(load('predict_data=q.jsonl').generation.questions).toBe('q.jsonl');
  expect(run.parallel).toMatchObject({ enabled: false, devices: 8, optimizerShard: true });
  expect(run.warnings.join(' ')).not.toContain('devices');
  expect(valueAt(run.train, 'training', 'gradient_accumulation_steps')).toBe(1);
});

test.each<[string[], object]>([
  [['runner_wrapper.use_clip_grad=false'], { training: { max_grad_norm: 1e30 } }],
  [['runner_wrapper.scale_sense=8'], { training: { loss_scale: { kind: 'fixed', initial: 8 } } }],
  [['recompute_config.recompute=false'], { training: { recompute: 'none' } }],
  [['train_dataset.repeat=4'], { training: { epochs: 12 } }],
  [['lr_schedule.total_steps=1000'], { training: { warmup_steps: 100, schedule_steps: 1000 } }],
  [['optimizer.type=FP32StateAdamWeightDecay'], { training: { adamw: 'uncorrected' } }],
  [['optimizer.type=AdamWeightDecay'], { training: { adamw: 'uncorrected' } }],
  [['optimizer.type=AdamW'], { training: { adamw: 'torch' } }],
  [['lr_schedule.type=LinearWithWarmUpLR'], { training: { schedule: 'linear' } }],
  [['optimizer.betas=[0.8, 0.99]'], { training: { beta1: 0.8, beta2: 0.99 } }],
  [
    ['parallel_config.pipeline_stage=2', 'parallel_config.micro_batch_num=4'],
    { training: { gradient_accumulation_steps: 8 } },
  ],
  [
    ['do_eval=true', 'eval_dataset=held', 'eval_step_interval=7'],
    { evaluation: { dataset: 'held', every: 7 } },
  ],
  [['context.device_target=GPU'], { device: 'cuda' }],
  [['model.model_config.eod_reset=true'], { data: { document_attention: true } }],
  [['xinghe.training.steps=5', 'xinghe.seed=7', 'xinghe.lora=null'], { seed: 7, training: { steps: 5 } }],
  [['xinghe.data.files=[a.jsonl]', 'xinghe.data.form=messages'], { data: { files: ['a.jsonl'] } }],
  [['callbacks.0.type=SummaryMonitor'], { watch: { tensorboard: true } }],
])('%j', (overrides, expected) => {
  expect(config(...overrides)).toMatchObject(expected);
});

test('resume_training, and the optimizer without a schedule', () => {
  expect(load('resume_training=true').resume).toBe(true);
  expect(load('resume_training=step-5').resume).toBe('step-5');
  expect(load('resume=true').resume).toBe(true);
  expect(config('lr_schedule=null', 'optimizer.learning_rate=1e-4').training).toMatchObject({
    learning_rate: 1e-4,
    schedule: 'constant',
  });
});

async function writeSet(path: string, shards: number): Promise<void> {
  const columns = [{ name: 'input_ids', type: 'int64', shape: [-1] }] as const;
  const writer = new MindRecordWriter(path, columns, { shards, headerBytes: 2 ** 14, pageBytes: 2 ** 15 });
  for (let row = 0; row < 5; row++) writer.add({ input_ids: Int32Array.of(row, 1) });
  await writer.commit();
}

test('a folder with one MindRecord file stands for it, one with another set beside it for both', async () => {
  const place = join(folder, 'whole');
  mkdirSync(place);
  await writeSet(join(place, 'train.mindrecord'), 1);
  const dataset = (): unknown => valueAt(load(`train_dataset=${place}`).train, 'data', 'dataset');
  expect(dataset()).toBe(join(place, 'train.mindrecord'));
  await writeSet(join(place, 'more.mindrecord'), 2);
  expect(dataset()).toBe(place);
  expect(openDataset(place).rowCount).toBe(10);
});

test('dataset_files that are the parts of one set stand for it, in a folder too', async () => {
  const place = join(folder, 'parts');
  mkdirSync(place);
  await writeSet(join(place, 'x.mindrecord'), 3);
  const parts = [0, 1, 2].map((part) => join(place, `x.mindrecord${part}`));
  const [first = ''] = parts;
  const dataset = (files: string): unknown =>
    valueAt(
      load('train_dataset.data_loader.dataset_dir=', `train_dataset.data_loader.dataset_files=${files}`)
        .train,
      'data',
      'dataset',
    );
  expect(dataset(JSON.stringify(parts))).toBe(first);
  expect(dataset(JSON.stringify([first]))).toBe(first);
  expect(openDataset(place).rowCount).toBe(5);
  expect(() => dataset(JSON.stringify(parts.slice(1)))).toThrow('x.mindrecord0 is missing in the list');
  // Several sets: the rows of all, in the order of the list; of a folder by name.
  await writeSet(join(place, 'y.mindrecord'), 3);
  const other = join(place, 'y.mindrecord0');
  expect(dataset(JSON.stringify([other, ...parts]))).toEqual([other, first]);
  expect(openDataset([other, first]).rowCount).toBe(10);
  expect(valueAt(load(`train_dataset=${place}`).train, 'data', 'dataset')).toBe(place);
  expect(openDataset(place).rowCount).toBe(10);
});

test('anchors of the file are followed', () => {
  const path = join(folder, 'run.yaml');
  const { train_dataset: _, ...rest } = publishedRun();
  writeFileSync(
    path,
    `train_dataset: &train\n  data_loader: {dataset_dir: rows}\ntrain_dataset_task: {type: X, dataset_config: *train}\n` +
      Object.entries(rest)
        .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
        .join(''),
  );
  expect(valueAt(loadPublishedRun(path).train, 'data', 'dataset')).toBe('rows');
});

test('a file is read as PyYAML reads it', () => {
  const path = join(folder, 'pyyaml.yaml');
  const { seed: _, resume_training: __, ...rest } = publishedRun();
  const lines = Object.entries(rest).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`);
  writeFileSync(path, `seed: 1\nresume_training: yes\n${lines.join('')}seed: 1_000\n`);
  const run = loadPublishedRun(path);
  expect(run.resume).toBe(true);
  expect(valueAt(run.train, 'seed')).toBe(1000);
  expect(run.warnings).toContainEqual(expect.stringContaining('the key "seed" stands twice'));
  expect(loadTrainingConfig(path, SET).notes).toContainEqual(
    expect.stringContaining('the key "seed" stands twice'),
  );
});

test("the run file is the config of MindSpore's own folder, which has none", () => {
  const weights = join(folder, 'mindspore');
  mkdirSync(join(weights, 'rank_0'), { recursive: true });
  writeFileSync(join(weights, 'rank_0', 'spark-1_1.ckpt'), '');
  const own = load().model.config;
  const model = (...overrides: string[]): unknown => load(...overrides).train.model;
  const kept = `load_checkpoint=${weights}`;
  expect(model(kept)).toEqual({ path: weights, path_config: own });
  expect(model(`xinghe.model.path=${weights}`)).toEqual({ path: weights, path_config: own });
  expect(model(kept, 'xinghe.model.path_config=c.yaml')).toEqual({ path: weights, path_config: 'c.yaml' });
  expect(model(kept, 'xinghe.model.path=null', 'xinghe.model.config=c.yaml')).toEqual({ config: 'c.yaml' });
  // No weights are drawn where some are named.
  expect(() => config(kept, 'xinghe.model.config=c.yaml')).toThrow(/give either path .* or config/);
  writeFileSync(join(weights, 'config.json'), '{}');
  expect(model(kept)).toEqual({ path: weights });
});

describe('refusals', () => {
  test.each([
    ['optimizer.bta1=0.9', 'optimizer.bta1: unknown key. Did you mean `beta1`?'],
    ['lerning_rate=1', 'lerning_rate: unknown key'],
    ['train_dataset.data_loader.dataset_dri=x', 'dataset_dri: unknown key. Did you mean `dataset_dir`?'],
    ['model.model_config.hiden_size=64', 'hiden_size: unknown key. Did you mean `hidden_size`?'],
    ['callbacks.1.save_checkpoint_step=3', 'Did you mean `save_checkpoint_steps`?'],
    ['optimizer.type=Lion', 'optimizer.type: expected one of'],
    ['run_mode=fintune', 'run_mode: expected one of "train", "finetune"'],
    ['only_save_strategy=true', 'would train nothing'],
    ['model.model_config.type=LlamaConfig', 'expected "IFlytekSparkConfig" or "TelechatConfig"'],
    ['model.model_config.dropout_rate=0.1', 'dropout_rate'],
    ['model.model_config.pet_config.target_modules=q_[ab]', '"q_[ab]" is no name of a layer'],
    ['train_dataset.data_loader.dataset_files=[a, b]', 'a does not exist'],
    ['training.steps=3', 'write --set xinghe.training.steps=3'],
    ['optimizer=3', 'optimizer: expected a mapping, got 3'],
  ])('%s', (override, problem) => {
    expect(() => load(override)).toThrow(InputError);
    expect(() => load(override)).toThrow(problem);
  });

  test('wrong keys of ours are told as ours', () => {
    expect(() => config('xinghe.training.stpes=3')).toThrow(
      'training.stpes: unknown key. Did you mean `steps`?',
    );
  });
});
