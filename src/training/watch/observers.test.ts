import { describe, expect, it } from 'vitest';
import { evaluationRecord, stepRecord } from '../../../tests/support/run-records.js';
import { progress } from './progress.js';
import { prometheus } from './prometheus.js';
import { remainingSeconds } from './remaining-seconds.js';

describe('prometheus', () => {
  it('tells the present values, each with its kind', () => {
    const metrics = prometheus();
    expect(metrics.text()).toContain('xinghe_training_running 1\n');
    expect(metrics.text()).not.toContain('xinghe_training_loss');
    metrics.step(
      stepRecord(1, { phaseSeconds: { 'a"b\\c': 0.5 }, loss: Number.POSITIVE_INFINITY, skipped: true }),
    );
    metrics.step(stepRecord(2));
    metrics.evaluation?.(evaluationRecord(2));
    metrics.evaluation?.(evaluationRecord(3, { loss: 4, isBest: false }));
    const text = metrics.text();
    expect(text).toContain(
      '# HELP xinghe_training_tokens_total Tokens read, padding apart\n# TYPE xinghe_training_tokens_total counter\nxinghe_training_tokens_total 4096\n',
    );
    expect(text).toContain('xinghe_training_loss 5.5\n');
    expect(text).toContain('xinghe_training_skipped_steps_total 1\n');
    expect(text).toContain('xinghe_training_phase_seconds{phase="forward"} 0.5\n');
    expect(text).toContain('xinghe_training_evaluation_loss 4\n');
    expect(text).toContain('xinghe_training_evaluation_best_loss 3.25\n');
    expect(text).toContain('xinghe_training_remaining_seconds 196\n');
    metrics.close();
    expect(metrics.text()).toContain('xinghe_training_running 0\n');
  });

  it('keeps to the grammar of the exposition format, whatever the values', () => {
    const metrics = prometheus();
    metrics.step(
      stepRecord(1, {
        phaseSeconds: { 'a"b\\c\nd': 0.5 },
        loss: Number.NaN,
        gradNorm: Number.POSITIVE_INFINITY,
      }),
    );
    const line =
      /^(# (HELP|TYPE) xinghe_training_\w+ .+|xinghe_training_\w+(\{phase="([^"\\\n]|\\.)*"\})? (NaN|[+-]Inf|-?[\d.e+-]+))$/;
    for (const found of metrics.text().trimEnd().split('\n')) expect(found).toMatch(line);
    expect(metrics.text()).toContain('xinghe_training_loss NaN\n');
    expect(metrics.text()).toContain('xinghe_training_grad_norm +Inf\n');
  });
});

describe('remainingSeconds', () => {
  it('goes by the steps of this process, in a resumed run too', () => {
    const remaining = remainingSeconds();
    expect(remaining(stepRecord(51, { elapsedSeconds: 30 }))).toBeUndefined(); // The first step warms up.
    expect(remaining(stepRecord(52, { elapsedSeconds: 32 }))).toBeCloseTo(96);
    expect(remaining(stepRecord(53, { elapsedSeconds: 36 }))).toBeCloseTo(3 * 47);
    expect(remaining(stepRecord(100, { elapsedSeconds: 177 }))).toBe(0);
  });
});

describe('progress', () => {
  const run = (isTTY: boolean, columns?: number): string => {
    let text = '';
    const line = progress({
      label: 'training',
      plainInterval: 1000,
      stream: { isTTY, columns, write: (piece) => (text += piece) },
    });
    for (let step = 1; step <= 99; step++) line.step(stepRecord(step));
    line.evaluation?.(evaluationRecord(99));
    line.step(stepRecord(100));
    line.close();
    return text;
  };

  it('writes plain lines elsewhere, the last state included', () => {
    expect(run(false).split('\n')).toEqual([
      'training 1/100 steps, 2 s, loss 8.0000, 1.02k tokens/s, MFU 50.0 %, 1.50 GB',
      'training: step 99: evaluation loss 3.2500, perplexity 25.79, the best so far',
      'training 100/100 steps, 3 min 20 s, loss 3.0500, 1.02k tokens/s, MFU 50.0 %, 1.50 GB',
      '',
    ]);
  });

  it('redraws one line on a terminal, no wider than it', () => {
    const text = run(true, 40);
    const lines = text.split(/\r|\n/).map((line) => line.replace('\u001b[K', ''));
    expect(Math.max(...lines.filter((line) => !line.includes('evaluation')).map((line) => line.length))).toBe(
      39,
    );
    expect(text.endsWith('\n')).toBe(true);
    expect(text.split('\n')).toHaveLength(3);
  });
});
