import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { evaluationRecord, stepRecord } from '../../../tests/support/run-records.js';
import { metricsFile } from './metrics-file.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'xinghe-metrics-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

const read = (path: string): Record<string, unknown>[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('metricsFile', () => {
  it("writes what an objective measures under TRL's names, and no perplexity of it", async () => {
    const path = join(folder, 'metrics.jsonl');
    const file = metricsFile(path);
    const metrics = { 'rewards/chosen': 0.5, 'rewards/accuracies': 1, kl: 0.25 };
    file.step(stepRecord(1, { metrics }));
    file.evaluation?.(evaluationRecord(1, { metrics, perplexity: undefined }));
    await file.close();
    const [step, evaluation] = read(path);
    expect(step).toMatchObject({ step: 1, ...metrics });
    expect(evaluation).toMatchObject({
      'eval_rewards/chosen': 0.5,
      'eval_rewards/accuracies': 1,
      eval_kl: 0.25,
    });
    expect(evaluation).not.toHaveProperty('perplexity');
  });

  it('writes a line for each step and evaluation, keys in snake case', async () => {
    const path = join(folder, 'metrics.jsonl');
    const file = metricsFile(path);
    file.step(stepRecord(1));
    file.step(
      stepRecord(2, { loss: Number.NaN, skipped: true, lossScale: 1024, modelFlopsUtilisation: undefined }),
    );
    file.evaluation?.(evaluationRecord(2));
    await file.close();
    const [first, second, evaluation] = read(path);
    expect(first).toEqual({
      step: 1,
      loss: 8,
      grad_norm: 1.5,
      learning_rate: 3e-4,
      tokens: 2048,
      learned_tokens: 2000,
      rows: 8,
      tokens_per_second: 1024,
      mfu: 0.5,
      memory_bytes: 1.5e9,
      peak_memory_bytes: 2e9,
      phase_seconds: { data: 0.01, forward: 0.5, backward: 1, optimizer: 0.1 },
      elapsed_seconds: 2,
    });
    expect(second).toMatchObject({ step: 2, loss: null, skipped: true, loss_scale: 1024 });
    expect(second).not.toHaveProperty('mfu');
    expect(evaluation).toEqual({
      step: 2,
      eval_loss: 3.25,
      perplexity: Math.exp(3.25),
      eval_tokens: 4096,
      eval_seconds: 1.5,
      is_best: true,
    });
  });

  it('cuts what lies behind the step that a run resumes from, and a half-written line', async () => {
    const path = join(folder, 'metrics.jsonl');
    const first = metricsFile(path);
    for (const step of [1, 2, 3, 4]) first.step(stepRecord(step));
    first.evaluation?.(evaluationRecord(4));
    await first.close();
    writeFileSync(path, `${readFileSync(path, 'utf8')}{"step":2,"lo`);
    const second = metricsFile(path, { resumedAfter: 2 });
    second.step(stepRecord(3));
    await second.close();
    expect(read(path).map(({ step }) => step)).toEqual([1, 2, 3]);
  });

  it('refuses a place that cannot be written', () => {
    expect(() => metricsFile(join(folder, 'absent', 'metrics.jsonl'))).toThrow(
      /cannot be written: no such file or folder/,
    );
  });

  it('goes on with one warning on a full disk, whole lines only', async (context) => {
    const mount = join(folder, 'small');
    if (!mountSmall(mount)) return context.skip('no tmpfs can be mounted here');
    try {
      const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
      const path = join(mount, 'metrics.jsonl');
      const file = metricsFile(path);
      let step = 0;
      for (; step < 400; step++) file.step(stepRecord(step + 1));
      expect(statfsSync(mount).bavail).toBe(0);
      rmSync(join(mount, 'filler'));
      for (; step < 410; step++) file.step(stepRecord(step + 1));
      await file.close();
      const messages = written.mock.calls.map(([text]) => String(text));
      expect(messages).toHaveLength(2);
      expect(messages[0]).toMatch(/the disk is full.*the run goes on without these records/);
      expect(messages[1]).toMatch(/written again; \d+ records are missing/);
      const steps = read(path).map((line) => Number(line.step));
      expect(steps.slice(-10)).toEqual(Array.from({ length: 10 }, (_, index) => 401 + index));
      expect(steps.length).toBeLessThan(400);
    } finally {
      execFileSync('umount', [mount]);
    }
  });
});

/** A tmpfs of 128 kB with half of it taken; false where it may not be mounted. */
function mountSmall(mount: string): boolean {
  try {
    execFileSync('mkdir', [mount]);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'tmpfs', mount], { stdio: 'pipe' });
  } catch {
    return false;
  }
  writeFileSync(join(mount, 'filler'), Buffer.alloc(65536));
  return existsSync(mount);
}
