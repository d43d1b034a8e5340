/** Steps that are not finite, under each policy; loss scales; accumulation. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type Row, type RowSource, rowsInMemory } from '../../data/index.js';
import { type LoadedModel, parseArchitecture } from '../../models/index.js';
import { initializeModule } from '../../nn/index.js';
import { floatTensor, noGrad, RandomGenerator, scope, type Tensor } from '../../tensor/index.js';
import type { RunParts } from '../run/run-parts.js';
import type { Checkpointer, TrainingLoopOptions } from '../run/train-rows-options.js';
import { runTrainingLoop } from '../run/training-loop.js';
import { AdamW } from './adamw.js';
import { GradientStore } from './gradient-store.js';
import { LossScale } from './loss-scale.js';
import { trainingSettings } from './training-settings.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-nonfinite-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The token whose embedding is not a number. */
const POISON = 13;

function poisonedModel(): LoadedModel {
  const config = {
    model_type: 'xverse',
    vocab_size: 50,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 2,
  };
  const architecture = parseArchitecture(config, 'test');
  const model = architecture.createModel();
  const generator = new RandomGenerator(1);
  scope(() => initializeModule(model, { rule: { kind: 'normal', std: 0.3 }, generator }));
  generator.dispose();
  noGrad(() =>
    scope(() => {
      model.namedParameters()[0]?.[1].narrow(0, POISON, 1).mul_(Number.NaN);
    }),
  );
  return { model, architecture };
}

/** Eight rows; the fifth holds the poisoned token. */
function rows(): RowSource {
  const made = Array.from({ length: 8 }, (_, row): Row => {
    const ids = Array.from({ length: 6 }, (_, index) =>
      row === 4 && index === 2 ? POISON : 14 + ((row + index * 5) % 30),
    );
    return { ids, lossMask: ids.map(() => 1) };
  });
  return rowsInMemory(made);
}

function options(output: string, nonFinite: 'stop' | 'skip' | 'rollback'): TrainingLoopOptions {
  return {
    training: trainingSettings({ steps: 8, micro_batch_size: 1, learning_rate: 1e-3, non_finite: nonFinite }),
    output,
    seed: 1,
    shuffle: false,
    documentAttention: false,
    label: 'test',
  };
}

/** Keeps the parameters of every second step in memory, as a checkpoint would. */
class MemoryCheckpoints implements Checkpointer {
  readonly every = 2;
  readonly saved: number[] = [];
  readonly restored: number[] = [];
  #kept: { progress: Parameters<Checkpointer['save']>[0]; tensors: Map<string, Tensor> } | undefined;

  save(progress: Parameters<Checkpointer['save']>[0], { parameters }: RunParts): Promise<void> {
    this.saved.push(progress.step);
    const tensors = new Map(
      [...parameters].map(([name, tensor]) => [name, noGrad(() => tensor.detach().mul(1)).keep()]),
    );
    this.#kept = { progress, tensors };
    return Promise.resolve();
  }

  restore({ parameters }: RunParts, which: 'start' | 'newest') {
    const kept = this.#kept;
    if (which === 'start' || kept === undefined) return Promise.resolve(undefined);
    noGrad(() => {
      for (const [name, tensor] of kept.tensors) parameters.get(name)?.copy_(tensor);
    });
    this.restored.push(kept.progress.step);
    return Promise.resolve(kept.progress);
  }
}

describe('a row that is not finite', () => {
  const badRows = (): unknown[] =>
    readFileSync(join(folder, 'bad-rows.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));

  test('stop ends the run and names the rows', async () => {
    const loaded = poisonedModel();
    await expect(runTrainingLoop(loaded, rows(), options(folder, 'stop'))).rejects.toThrow(
      /embed_tokens\.weight" holds NaN or infinity/,
    );
    expect(badRows()).toMatchObject([{ step: 5, policy: 'stop', rows: [4] }]);
    rmSync(join(folder, 'bad-rows.jsonl'));
  });

  test('skip leaves the step out, counts it, and goes on', async () => {
    const { losses, skippedSteps, progress } = await runTrainingLoop(
      poisonedModel(),
      rows(),
      options(folder, 'skip'),
    );
    expect(skippedSteps).toBe(1);
    expect(progress).toMatchObject({ step: 8, rows: 8 });
    expect(losses.map(({ loss }) => Number.isFinite(loss))).toEqual([
      true,
      true,
      true,
      true,
      false,
      true,
      true,
      true,
    ]);
    expect(badRows()).toMatchObject([{ step: 5, policy: 'skipped', rows: [4] }]);
    rmSync(join(folder, 'bad-rows.jsonl'));
  });

  test('rollback goes back to the last checkpoint, and on behind the rows', async () => {
    const checkpoints = new MemoryCheckpoints();
    const { progress, losses } = await runTrainingLoop(poisonedModel(), rows(), {
      ...options(folder, 'rollback'),
      checkpoints,
    });
    expect(checkpoints.restored).toEqual([4]);
    // Step 5 again, with the row behind the bad one.
    expect(losses.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(losses.every(({ loss }) => Number.isFinite(loss))).toBe(true);
    expect(progress).toMatchObject({ step: 8, rows: 9 });
    expect(badRows()).toMatchObject([{ step: 5, policy: 'rollback', rows: [4] }]);
    rmSync(join(folder, 'bad-rows.jsonl'));
  });
});

describe('loss scale', () => {
  test('halves after an overflow, doubles after a window of good steps, and comes back from a checkpoint', () => {
    const scale = new LossScale({ kind: 'dynamic', initial: 8, window: 3 });
    expect(scale.overflowed()).toBe(true);
    expect(scale.value).toBe(4);
    for (let step = 0; step < 3; step++) scale.succeeded();
    expect(scale.value).toBe(8);
    scale.succeeded();
    const again = new LossScale({ kind: 'dynamic', initial: 1, window: 3 });
    again.restore(scale.state());
    again.succeeded();
    again.succeeded();
    expect(again.value).toBe(16);
  });

  test('an overflow begins the window anew; the factor is the one that was asked for; a fixed one stays', () => {
    const scale = new LossScale({ kind: 'dynamic', initial: 64, factor: 4, window: 3 });
    scale.succeeded();
    scale.succeeded();
    scale.overflowed();
    expect(scale.value).toBe(16);
    scale.succeeded();
    expect(scale.value).toBe(16);
    scale.succeeded();
    scale.succeeded();
    expect(scale.value).toBe(64);
    const fixed = new LossScale({ kind: 'fixed', initial: 8, window: 1 });
    fixed.succeeded();
    expect(fixed.value).toBe(8);
  });

  test('starts at 2^16, ends at 1, where an overflow is the fault of something else', () => {
    const scale = new LossScale({ kind: 'dynamic' });
    expect(scale.value).toBe(2 ** 16);
    for (let step = 0; step < 16; step++) expect(scale.overflowed()).toBe(true);
    expect(scale.value).toBe(1);
    expect(scale.overflowed()).toBe(false);
    expect(new LossScale({ kind: 'fixed', initial: 1024 }).overflowed()).toBe(false);
  });
});

describe('gradient accumulation', () => {
  test.each(['float32', 'bfloat16-mixed'] as const)(
    '1, 2 and 4 micro-batches give the same step, %s',
    async (precision) => {
      const norms: number[] = [];
      const losses: number[] = [];
      for (const parts of [1, 2, 4]) {
        const { model, architecture } = poisonedModel();
        if (precision !== 'float32') model.to({ dtype: 'bfloat16' });
        const observed: number[] = [];
        const result = await runTrainingLoop({ model, architecture }, unevenRows(), {
          ...options(folder, 'stop'),
          training: trainingSettings({
            steps: 1,
            micro_batch_size: 8 / parts,
            gradient_accumulation_steps: parts,
            precision,
          }),
          observers: [{ step: ({ gradNorm }) => observed.push(gradNorm), close: () => {} }],
        });
        norms.push(observed[0] ?? Number.NaN);
        losses.push(result.losses[0]?.loss ?? Number.NaN);
      }
      // bfloat16 rounds each micro-batch's gradients to 8 bits before they are summed in float32.
      const bound = precision === 'float32' ? 1e-6 : 1e-2;
      for (const norm of norms) expect(Math.abs(norm / norms[0]! - 1), `norms ${norms}`).toBeLessThan(bound);
      for (const loss of losses)
        expect(Math.abs(loss / losses[0]! - 1), `losses ${losses}`).toBeLessThan(bound);
    },
  );

  /** Rows with 1 to 8 learned tokens: a mean of means would differ. */
  function unevenRows(): RowSource {
    return rowsInMemory(
      Array.from({ length: 8 }, (_, row) => {
        const ids = Array.from({ length: 10 }, (_, index) => 14 + ((row * 3 + index * 7) % 30));
        return { ids, lossMask: ids.map((_, index) => (index > row ? 1 : 0)) };
      }),
    );
  }
});

test('masters of bfloat16 parameters take the steps that bfloat16 cannot', () => {
  const rate = 1e-4;
  const parameter = floatTensor([1], [1], { dtype: 'bfloat16' });
  const optimizer = new AdamW([{ path: 'p', name: 'p', parameter, weightDecay: 0 }], {
    beta1: 0.9,
    beta2: 0.95,
    eps: 1e-8,
    form: 'torch',
    masterWeights: true,
  });
  const store = new GradientStore(new Map([['p', parameter]]));
  for (let step = 0; step < 50; step++) {
    scope(() => store.add('p', floatTensor([1], [1], { dtype: 'bfloat16' })));
    optimizer.step(store, rate);
    store.clear();
  }
  const { tensors } = optimizer.state();
  // Each step moves by the rate, far less than bfloat16's spacing of 2^-8 below 1; fifty of them show.
  expect(tensors.get('master.p')?.item()).toBeCloseTo(1 - 50 * rate, 5);
  expect(parameter.item()).toBe(0.99609375);
  optimizer.dispose();
});
