/** The published run files and our recipes of them on as many ranks as they name, shrunk by `--set` alone, beside the run of one process. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseArchitecture } from '../src/models/index.js';
import { startCli } from './support/cli-process.js';
import { goldenFolder } from './support/golden.js';
import {
  isSparkFile,
  SMALL_VOCABULARY,
  smallModel,
  smallSizes,
  sparkTokenizer,
} from './support/published/small-run.js';
import { requiresShared } from './support/requires.js';
import { sharedData } from './support/shared-data.js';
import { saveRandomModel } from './support/tiny-model.js';

const published = sharedData('recipes');
const rows = `${goldenFolder}mindrecord/sft.mindrecord`;
const folder = mkdtempSync(join(tmpdir(), 'xinghe-published-ranks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Sixteen ranks start one after the other on two cores. */
const MINUTES = 6 * 60_000;
/**
 * The published precisions stay. Where ranks share matrices, half precision rounds each rank's part of a sum (seen: 5e-4); equality to
 * 1e-10 in float64 is that of tensor-parallel.test.ts. Where they share rows alone, each row is computed as by one process.
 */
const CLOSE = { matrices: 2e-3, rows: 1e-9 };

/** @returns what a command that must succeed prints */
async function xinghe(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await startCli(args).exit;
  expect(code, `xinghe ${args.join(' ')}\n${stderr}`).toBe(0);
  return stdout;
}

const lossesIn = (output: string): number[] =>
  readFileSync(join(output, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => Object(JSON.parse(line)))
    .filter((line) => 'learning_rate' in line) // not those of held-out rows
    .map((line) => Number(line.loss));

function expectSameLosses(output: string, alone: string, shared: keyof typeof CLOSE): void {
  const [many, one] = [lossesIn(output), lossesIn(alone)];
  expect([many.length, one.length]).toEqual([2, 2]);
  for (const [step, loss] of many.entries())
    expect(
      Math.abs(loss / (one[step] ?? Number.NaN) - 1),
      `step ${step}: ${loss}, alone ${one[step]}`,
    ).toBeLessThan(CLOSE[shared]);
}

/** Heads and channels that eight ranks can share. */
const SHARED_SIZES = { hidden_size: 64, num_heads: 8 };

describe('published run files', requiresShared(published), () => {
  const files = ['spark', 'telechat-mindformers'].flatMap((suite) =>
    published === undefined ? [] : readdirSync(join(published, suite)).map((name) => `${suite}/${name}`),
  );
  const layoutOf = (path: string) => Object(parse(readFileSync(path, 'utf8'))).parallel_config;
  const ranksOf = (path: string): number => {
    const layout = layoutOf(path);
    return layout.data_parallel * layout.model_parallel * layout.pipeline_stage;
  };
  const several = files.filter((name) => ranksOf(join(published ?? '', name)) > 1);

  test('are those of 2 to 16 devices', () => {
    expect(several.map((name) => ranksOf(join(published ?? '', name))).toSorted((a, b) => a - b)).toEqual([
      ...[2, 2, 2, 4],
      ...[8, 8, 8, 8, 8, 8],
      ...[16, 16, 16],
    ]);
  });

  test.each(several)(
    '%s',
    async (name) => {
      const path = join(published ?? '', name);
      const isPrediction = /infer|predict/.test(name);
      const home = mkdtempSync(join(folder, 'file-'));
      const sizes = Object.entries(SHARED_SIZES).map(([key, value]) => `model.model_config.${key}=${value}`);
      const model = await smallModel(path, home, sizes);
      const command = (output: string): string[] => [
        ...['run', '--config', path, '--load_checkpoint', model, '--use_parallel', 'True'],
        ...(isPrediction
          ? ['--predict_data', '[who are you##你好##3]', '--predict_length', '4']
          : ['--train_dataset', rows]),
        ...['--set', ...smallSizes(path), ...sizes, `output_dir=${join(home, output)}`],
        ...(isPrediction
          ? [`model.model_config.${isSparkFile(path) ? 'compute_type' : 'compute_dtype'}=float32`]
          : [
              // The published warm-up, and that of the loss scale, are longer than this run.
              ...['xinghe.training.steps=2', 'lr_schedule.warmup_steps=0', 'lr_schedule.warmup_ratio=0'],
              'runner_wrapper.scale_sense=1',
            ]),
      ];
      const one = await xinghe(...command('one'));
      const many = await xinghe('launch', '--nproc', String(ranksOf(path)), '--', ...command('many'));
      if (isPrediction) {
        expect(one.trim().split('\n')).toHaveLength(3);
        expect(many).toBe(one);
      } else
        expectSameLosses(
          join(home, 'many'),
          join(home, 'one'),
          layoutOf(path).model_parallel > 1 ? 'matrices' : 'rows',
        );
    },
    MINUTES,
  );
});

describe('recipes, by the command that each of them names', () => {
  const recipes = readdirSync('recipes').filter((name) => name.endsWith('.yaml'));
  /** `launch … --set …` of the comment, on one machine. */
  function launchLine(recipe: string): { readonly ranks: number; readonly sets: string[] } | undefined {
    const comment = readFileSync(join('recipes', recipe), 'utf8').replaceAll(/ \\\n# +/g, ' ');
    const words = /^# +bin\/xinghe launch (.*)$/m.exec(comment)?.[1]?.split(' ');
    if (words === undefined) return undefined;
    const numberBehind = (option: string): number => {
      const at = words.indexOf(option);
      return at === -1 ? 1 : Number(words[at + 1]);
    };
    expect(words).toContain(`recipes/${recipe}`);
    return {
      ranks: numberBehind('--nproc') * numberBehind('--nnodes'),
      sets: words.slice(words.indexOf('--set') + 1),
    };
  }
  const launched = recipes.filter((recipe) => launchLine(recipe) !== undefined);

  test('are all that were published for several devices', () => {
    expect(launched).toHaveLength(13);
  });

  /** A model of the recipe's family with heads for eight ranks. @returns the folder */
  async function modelOf(recipe: string, home: string): Promise<string> {
    const small = `recipes/debug/${recipe.replace('-32g', '')}`;
    const { model } = Object(parse(readFileSync(small, 'utf8')));
    const spark = recipe.startsWith('spark');
    const named = (...keys: string[]): string => keys.find((key) => key in model.config) ?? 'none';
    const config = {
      ...model.config,
      [named('hidden_size', 'n_embd')]: 64,
      [named('num_attention_heads', 'num_heads', 'n_head')]: 8,
      ...(spark && { vocab_size: SMALL_VOCABULARY }),
    };
    const architecture = parseArchitecture(config, small);
    const target = join(home, 'model');
    await saveRandomModel(target, architecture, spark ? sparkTokenizer : model.tokenizer);
    return target;
  }

  test.each(launched)(
    '%s',
    async (recipe) => {
      const { ranks, sets } = launchLine(recipe) ?? { ranks: 0, sets: [] };
      const home = join(folder, basename(recipe, '.yaml'));
      mkdirSync(home);
      const model = await modelOf(recipe, home);
      const data = [
        'data.files=[recipes/debug/dialogues.jsonl]',
        'data.form=messages',
        'data.sequence_length=64',
      ];
      const small = [
        // A pre-training begins with a new model.
        ...(recipe.includes('pretrain')
          ? [`model.config=${join(model, 'model_config.yaml')}`, `model.tokenizer=${model}`]
          : [`model.path=${model}`]),
        ...['training.steps=2', 'training.epochs=null'],
        // The published warm-up is longer than this run, that of the loss scale too.
        ...(recipe.endsWith('-32g.yaml') ? ['training.loss_scale.initial=1024'] : []),
        recipe.startsWith('spark') ? 'training.warmup_steps=0' : 'training.warmup_ratio=0',
        ...(recipe.startsWith('spark')
          ? [`data.dataset=${rows}`]
          : recipe.startsWith('xverse')
            ? [...data, ...data.map((set) => set.replace('data.', 'evaluation.'))]
            : ['data.dataset=null', ...data]),
      ];
      const train = (output: string, more: readonly string[]): string[] => [
        ...['train', '--config', `recipes/${recipe}`, '--set', ...more, ...small],
        `output=${join(home, output)}`,
      ];
      await xinghe('launch', '--nproc', String(ranks), '--', ...train('many', sets));
      // 52B names a hostfile: its step grows with the devices.
      const { training } = Object(parse(readFileSync(join('recipes', recipe), 'utf8')));
      const accumulation = training.gradient_accumulation_steps * (recipe.includes('52b') ? ranks : 1);
      await xinghe(...train('one', [`training.gradient_accumulation_steps=${accumulation}`]));
      const isSplit = sets.some((set) => set.startsWith('parallel.tensor='));
      expectSameLosses(join(home, 'many'), join(home, 'one'), isSplit ? 'matrices' : 'rows');
    },
    MINUTES,
  );
});
