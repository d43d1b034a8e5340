/** Evaluation tasks in a run of two ranks: rank 0 measures, the other waits, and what is learned is the same. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { writeSets } from './support/evaluation-sets.js';
import { tinyRunModel } from './support/tiny-model.js';

const program = fileURLToPath(new URL('../bin/xinghe', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'xinghe-launch-tasks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const sets = writeSets(join(folder, 'sets'));

function train(
  output: string,
  parallel: object,
  lora: object | undefined,
  evaluation: object | undefined,
): void {
  const texts = join(folder, 'texts.jsonl');
  const lines = Array.from({ length: 60 }, (_, index) =>
    JSON.stringify({ text: `Line ${index}: ${index * 7} stars are seen.` }),
  );
  writeFileSync(texts, `${lines.join('\n')}\n`);
  const path = join(folder, `${output}.json`);
  const config = {
    output: join(folder, output),
    model: tinyRunModel(),
    threads: 1,
    deterministic: true,
    data: { files: [texts], form: 'text', sequence_length: 24 },
    training: { steps: 6, micro_batch_size: 2, learning_rate: 3e-3 },
    parallel,
    ...(lora !== undefined && { lora }),
    ...(evaluation !== undefined && { evaluation }),
  };
  writeFileSync(path, JSON.stringify(config));
  const { status, stderr } = spawnSync(program, ['launch', '--nproc', '2', '--', 'train', '--config', path], {
    encoding: 'utf8',
    env: { ...process.env, OMP_NUM_THREADS: '1' },
  });
  expect(status, stderr).toBe(0);
}

interface Line {
  readonly step: number;
  readonly loss?: number;
  readonly grad_norm?: number;
  readonly task_scores?: readonly { readonly score: number }[];
}

function linesOf(output: string): Line[] {
  return readFileSync(join(folder, output, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line): Line => JSON.parse(line));
}

describe.each([
  ['zero 0', {}, undefined],
  ['zero 3', { zero: 3 }, undefined],
  ['tensor 2', { tensor: 2, sequence: true }, undefined],
  ['zero 0, LoRA with dropout', {}, { rank: 2, alpha: 4, dropout: 0.2, target_modules: ['q_proj'] }],
])('%s', (name, parallel, lora) => {
  test('the tasks are measured once, and the numbers are those of a run without', () => {
    const output = name.replaceAll(/[ ,]+/g, '-');
    const evaluation = {
      tasks: [
        { task: 'arc-easy', mode: 'loglikelihood' },
        { task: 'gsm8k', shots: 0, limit: 1, max_new_tokens: 4 },
      ],
      tasks_data: sets,
      every: 3,
    };
    train(`${output}-with`, parallel, lora, evaluation);
    train(`${output}-without`, parallel, lora, undefined);
    const learned = (run: string): unknown[] =>
      linesOf(run).flatMap(({ step, loss, grad_norm }) =>
        loss === undefined ? [] : [[step, loss, grad_norm]],
      );
    expect(learned(`${output}-with`)).toEqual(learned(`${output}-without`));
    expect(learned(`${output}-with`)).toHaveLength(6);
    const scored = linesOf(`${output}-with`).filter(({ task_scores: scores }) => scores !== undefined);
    expect(scored.map(({ step }) => step)).toEqual([0, 3, 6]);
    const weights = (run: string): Buffer => readFileSync(join(folder, run, 'final', 'model.safetensors'));
    expect(weights(`${output}-with`).equals(weights(`${output}-without`))).toBe(true);
  });
});
