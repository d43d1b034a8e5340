/** `xinghe run --use_parallel True` on two ranks, started as users start them, against the same run of one process. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { goldenFolder } from './support/golden.js';
import { smallModel, smallSizes, sparkTokenizer } from './support/published/small-run.js';
import { requiresShared } from './support/requires.js';
import { sharedData } from './support/shared-data.js';

const program = fileURLToPath(new URL('../bin/xinghe', import.meta.url));
const recipes = sharedData('recipes');
const sft = join(recipes ?? '', 'spark/run_iflytekspark_13b_sft_800T_A2_64G.yaml');
const rows = `${goldenFolder}mindrecord/sft.mindrecord`;
const folder = mkdtempSync(join(tmpdir(), 'xinghe-run-ranks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TWO = {
  split: ['data_parallel=1', 'model_parallel=2'],
  replicas: ['data_parallel=2', 'model_parallel=1'],
};

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe('two ranks', requiresShared(recipes), () => {
  let model = '';
  beforeAll(async () => {
    model = await smallModel(sft, folder);
  });

  const command = (
    output: string,
    layout: readonly string[],
    args: readonly string[],
    sets: readonly string[] = [],
  ) => [
    ...[
      'run',
      '--config',
      sft,
      '--load_checkpoint',
      model,
      '--use_parallel',
      'True',
      ...args,
      '--set',
      ...smallSizes(sft),
    ],
    ...[`output_dir=${join(folder, output)}`, 'model.model_config.compute_type=float32', ...sets],
    ...layout.map((axis) => `parallel_config.${axis}`),
  ];
  const environment = { ...process.env, OMP_NUM_THREADS: '1', XINGHE_LINEAR: 'blas' };
  const alone = (args: readonly string[]): Ended =>
    spawnSync(program, args, { encoding: 'utf8', env: environment });
  const launched = (args: readonly string[]): Ended => alone(['launch', '--nproc', '2', '--', ...args]);

  /** Each rank by itself, as the published scripts start them: RANK_TABLE_FILE, RANK_ID, DEVICE_ID, RANK_SIZE. */
  async function scripted(args: readonly string[]): Promise<Ended[]> {
    const table = join(folder, 'hccl_2p_01_127.0.0.1.json');
    const device = ['0', '1'].map((id) => ({ device_id: id, device_ip: `10.0.0.${id}`, rank_id: id }));
    const server_list = [{ server_id: '127.0.0.1', device, host_nic_ip: 'reserve' }];
    writeFileSync(
      table,
      JSON.stringify({ version: '1.0', server_count: '1', server_list, status: 'completed' }),
    );
    const port = String(21_000 + (process.pid % 10_000));
    return Promise.all(
      ['0', '1'].map(
        (id) =>
          new Promise<Ended>((resolve) => {
            const child = spawn(program, args, {
              env: {
                ...environment,
                RANK_TABLE_FILE: table,
                RANK_ID: id,
                DEVICE_ID: id,
                RANK_SIZE: '2',
                MASTER_PORT: port,
              },
              stdio: ['ignore', 'pipe', 'pipe'],
            });
            let [stdout, stderr] = ['', ''];
            child.stdout.setEncoding('utf8').on('data', (text: string) => {
              stdout += text;
            });
            child.stderr.setEncoding('utf8').on('data', (text: string) => {
              stderr += text;
            });
            child.on('close', (status) => resolve({ status, stdout, stderr }));
          }),
      ),
    );
  }

  const losses = (output: string): number[] =>
    readFileSync(join(folder, output, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => Number(Object(JSON.parse(line)).loss));

  const TRAIN = ['--run_mode', 'finetune', '--train_dataset', rows];
  const STEPS = ['xinghe.training.steps=3', 'runner_wrapper.scale_sense=1', 'lr_schedule.learning_rate=0.01'];

  test.each(['split', 'replicas'] as const)(
    'finetune, %s: launched, and by the scripts’ variables',
    async (name) => {
      const layout = TWO[name];
      const one = alone(command(`one-${name}`, layout, TRAIN, STEPS));
      expect(one.status, one.stderr).toBe(0);
      expect(one.stderr).toContain('asks for 2 devices');
      const two = launched(command(`launched-${name}`, layout, TRAIN, STEPS));
      expect(two.status, two.stderr).toBe(0);
      const ranks = await scripted(command(`scripted-${name}`, layout, TRAIN, STEPS));
      expect(ranks.map(({ status, stderr }) => [status, status === 0 ? '' : stderr])).toEqual([
        [0, ''],
        [0, ''],
      ]);
      for (const run of ['launched', 'scripted'])
        for (const [step, loss] of losses(`one-${name}`).entries())
          expect(losses(`${run}-${name}`)[step]).toBeCloseTo(loss, 4);
    },
  );

  test.each(['split', 'replicas'] as const)('eval, %s', (name) => {
    const args = ['--run_mode', 'eval', '--eval_dataset', rows];
    const results = [alone, launched].map((start) => {
      const { status, stdout, stderr } = start(command('eval', TWO[name], args));
      expect(status, stderr).toBe(0);
      return Object(JSON.parse(stdout));
    });
    expect(results[1].PerplexityMetric.loss).toBeCloseTo(results[0].PerplexityMetric.loss, 4);
    expect([results[1].rows, results[1].tokens]).toEqual([results[0].rows, results[0].tokens]);
  });

  test('predict: every question once, in order', () => {
    const questions = join(folder, 'questions.jsonl');
    const lines = Array.from({ length: 37 }, (_, index) => JSON.stringify({ input: `question ${index}` }));
    writeFileSync(questions, lines.join('\n'));
    const args = ['--run_mode', 'predict', '--predict_data', questions, '--predict_length', '4'];
    const answers = [alone, launched].map((start, index) => {
      const { status, stdout, stderr } = start(
        command(`predict-${index}`, TWO.split, [...args, '--tokenizer_file', sparkTokenizer]),
      );
      expect(status, stderr).toBe(0);
      expect(readFileSync(join(folder, `predict-${index}`, 'predict_results.jsonl'), 'utf8')).toBe(stdout);
      return stdout;
    });
    expect(answers[0]?.trim().split('\n')).toHaveLength(37);
    expect(answers[1]).toBe(answers[0]);
  });

  test('ranks that are not those of the file are refused by name', () => {
    const many = launched(command('refused', ['data_parallel=1', 'model_parallel=8'], TRAIN, STEPS));
    expect([many.status, many.stderr]).toEqual([2, expect.stringContaining('asks for 8 ranks')]);
    const none = launched(
      [...command('refused', [], TRAIN, STEPS), 'use_parallel=False'].filter(
        (arg) => arg !== '--use_parallel' && arg !== 'True',
      ),
    );
    expect([none.status, none.stderr]).toEqual([
      2,
      expect.stringContaining('use_parallel is false, and 2 ranks'),
    ]);
  });
});
