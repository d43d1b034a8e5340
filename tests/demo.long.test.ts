/** The demo from end to end, as a user runs it: small, in its own process, into an empty folder. Smaller still: src/demo/run-demo.test.ts. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DemoReport } from '../src/demo/index.js';
import { openSafetensorsModel } from '../src/formats/index.js';

const program = fileURLToPath(new URL('../bin/xinghe', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'xinghe-demo-'));
const output = join(folder, 'demo');
let report: DemoReport;
let stderr: string;

function xinghe(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  // The tests' own setting of one thread is not for this process.
  const { OMP_NUM_THREADS: _, ...env } = process.env;
  return spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', env });
}

beforeAll(() => {
  const run = xinghe('demo', '--quick', '--output', output, '--json');
  expect(run.status, run.stderr).toBe(0);
  report = JSON.parse(run.stdout);
  stderr = run.stderr;
}, 600_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the fine-tuned model is clearly better than chance on facts that no dialogue asks for', () => {
  const { correct, total } = report.facts.after;
  expect(total).toBeGreaterThanOrEqual(90);
  // The bar of the whole demo is 70 %; the quick one trains a few hundred steps only.
  expect(correct / total).toBeGreaterThanOrEqual(0.5);
  expect(report.chance).toBe(0.25);
});

test('it answers in sentences, and knows who it is', () => {
  expect(report.answers).toHaveLength(3);
  for (const { question, answer } of report.answers) expect(answer, question).toMatch(/^\S.*[.。!！]$/);
  expect(report.answers[2]?.answer).toContain('星河小助手');
});

test('the numbers of the report are those on the screen', () => {
  const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`;
  expect(stderr).toContain(percent(report.facts.before.correct, report.facts.before.total));
  expect(stderr).toContain(percent(report.facts.after.correct, report.facts.after.total));
});

test('metrics and plots lie in the folder', () => {
  for (const stage of ['pretraining', 'fine-tuning']) {
    const lines = readFileSync(join(output, stage, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n');
    const losses = lines.map((line): number => JSON.parse(line).loss);
    expect(losses.at(-1), stage).toBeLessThan((losses[0] ?? 0) / 2);
    expect(readFileSync(join(output, stage, 'loss.svg'), 'utf8')).toMatch(/^<svg/);
  }
  expect(readFileSync(join(output, 'loss.svg'), 'utf8')).toMatch(/^<svg/);
});

test('chat, generate and forward load the model', () => {
  const model = join(output, 'model');
  expect(JSON.parse(readFileSync(join(model, 'generation_config.json'), 'utf8')).temperature).toBe(0.3);
  const chat = xinghe('chat', '--model', model, '--message', '你是谁？', '--json');
  expect(chat.status, chat.stderr).toBe(0);
  expect(JSON.parse(chat.stdout).messages[1].content.trim()).toBe(report.answers[2]?.answer);
  const generate = xinghe(
    'generate',
    '--model',
    model,
    '--prompt',
    '5加3等于',
    '--max-new-tokens',
    '4',
    '--json',
  );
  expect(JSON.parse(generate.stdout).choices[0].ids.length, generate.stderr).toBeGreaterThan(0);
  const input = join(folder, 'ids.json');
  writeFileSync(input, JSON.stringify({ input_ids: [[1, 5, 9, 12]] }));
  const logits = join(folder, 'logits.safetensors');
  const forward = xinghe('forward', '--model', model, '--input', input, '--output', logits);
  expect(forward.status, forward.stderr).toBe(0);
  expect(openSafetensorsModel(logits).tensors.get('logits')?.shape.slice(0, 2)).toEqual([1, 4]);
});

test('a second run replaces the demo, and nothing else', () => {
  const foreign = join(folder, 'foreign');
  writeFileSync(foreign, 'mine');
  const refused = xinghe('demo', '--quick', '--output', folder);
  expect(refused.status).toBe(2);
  expect(refused.stderr).toContain('holds no demo');
  expect(readFileSync(foreign, 'utf8')).toBe('mine');
});
