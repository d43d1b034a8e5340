/** One process among itself: whatever is gathered, scattered and released, a step is that of a plain trainer. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Row } from '../../data/index.js';
import { type Collectives, type Pending, ProcessGroup } from '../../distributed/index.js';
import { type CausalLm, parseArchitecture } from '../../models/index.js';
import { initializeModule } from '../../nn/index.js';
import { liveTensorCount, noGrad, RandomGenerator, scope, type Tensor, zeros } from '../../tensor/index.js';
import { Trainer } from '../step/trainer.js';
import { trainingSettings } from '../step/training-settings.js';
import { DataParallel, type ZeroStage } from './data-parallel.js';

const settings = trainingSettings({
  steps: 100,
  schedule: 'constant',
  learning_rate: 1e-2,
  weight_decay: 0.1,
  gradient_accumulation_steps: 2,
});

let open: { dispose(): void }[] = [];
afterEach(() => {
  for (const item of open) item.dispose();
  open = [];
});

/** Tied: its table is in the first and the last segment. */
function tinyModel(): CausalLm {
  const config = {
    model_type: 'qwen3',
    vocab_size: 50,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    head_dim: 6,
    tie_word_embeddings: true,
  };
  const model = parseArchitecture(config, 'test').createModel();
  const generator = new RandomGenerator(1);
  scope(() => initializeModule(model, { rule: { kind: 'normal', std: 0.3 }, generator, dtype: 'float64' }));
  generator.dispose();
  open.push(model);
  return model;
}

function trainerOf(model: CausalLm, zero: ZeroStage | undefined): Trainer {
  const trainer = new Trainer(model, new Map(model.namedParameters()), settings, {
    totalSteps: 100,
    padTokenId: 0,
    share:
      zero === undefined
        ? undefined
        : (shared, parameters, isWide) =>
            new DataParallel(shared, parameters, ProcessGroup.alone(), zero, isWide),
  });
  open.unshift(trainer);
  return trainer;
}

const rows: Row[] = Array.from({ length: 4 }, (_, row) => ({
  ids: Array.from({ length: 6 + row }, (_unused, index) => (row * 11 + index * 7) % 50),
  lossMask: Array.from({ length: 6 + row }, (_unused, index) => (index % 3 === 0 ? 0 : 1)),
}));
const microBatches = [rows.slice(0, 2), rows.slice(2)];

function valuesOf(model: CausalLm): number[] {
  return scope(() => model.namedParameters().flatMap(([, parameter]) => parameter.toArray()));
}

/** A process among itself whose neighbours may be gone. */
class LostGroup implements Collectives {
  readonly rank = 0;
  readonly size = 1;
  isLost = false;
  readonly #alone = ProcessGroup.alone();

  get #there(): ProcessGroup {
    if (this.isLost) throw new Error('a neighbour is gone');
    return this.#alone;
  }

  allReduce = (values: Tensor): Pending => this.#there.allReduce(values);
  allGather = (part: Tensor, whole: Tensor): Pending => this.#there.allGather(part, whole);
  reduceScatter = (whole: Tensor): Pending => this.#there.reduceScatter(whole);
  gatherNumbers = (values: readonly number[]): number[][] => this.#there.gatherNumbers(values);
  gatherTexts = (text: string): string[] => this.#there.gatherTexts(text);
}

test('a rank that has failed exchanges nothing any more', () => {
  const group = new LostGroup();
  const model = tinyModel();
  const trainer = new Trainer(model, new Map(model.namedParameters()), settings, {
    totalSteps: 100,
    padTokenId: 0,
    share: (shared, parameters, isWide) => new DataParallel(shared, parameters, group, 3, isWide),
  });
  trainer.step(microBatches);
  group.isLost = true;
  expect(() => trainer.dispose(false)).not.toThrow();
});

describe.each([0, 1, 2, 3] as const)('ZeRO %d', (zero) => {
  test('steps, measures and ends as a plain trainer', () => {
    const [plainModel, model] = [tinyModel(), tinyModel()];
    const [plain, shared] = [trainerOf(plainModel, undefined), trainerOf(model, zero)];
    for (let step = 0; step < 3; step++) {
      const wanted = plain.step(microBatches);
      const found = shared.step(microBatches);
      // Gradients of micro-batches are added in another order.
      expect(Math.abs(found.loss / wanted.loss - 1)).toBeLessThan(1e-14);
      expect([found.tokens, found.learnedTokens]).toEqual([wanted.tokens, wanted.learnedTokens]);
      // Squares are added in another order.
      expect(Math.abs(found.gradNorm / wanted.gradNorm - 1)).toBeLessThan(1e-14);
      expect(shared.measure(rows).perToken).toBeCloseTo(plain.measure(rows).perToken ?? Number.NaN, 11);
    }
    const wanted = valuesOf(plainModel);
    const found = shared.withWholeModel(() => valuesOf(model));
    expect(Math.max(...found.map((value, index) => Math.abs(value - (wanted[index] ?? 0))))).toBeLessThan(
      1e-14,
    );
    shared.dispose();
    open = open.filter((item) => item !== shared);
    expect(valuesOf(model).every(Number.isFinite)).toBe(true);
  });

  test('a micro-batch too few is computed for nothing', () => {
    const [plain, shared] = [trainerOf(tinyModel(), undefined), trainerOf(tinyModel(), zero)];
    const wanted = plain.step([rows]);
    const found = shared.step([rows], rows[0]);
    expect(found.loss).toBe(wanted.loss);
  });

  test('parameters and state are written and read back', () => {
    const model = tinyModel();
    const shared = trainerOf(model, zero);
    shared.step(microBatches);
    const path = 'layers.0.mlp.gateProj.weight';
    noGrad(() =>
      scope(() => {
        const { shape } = shared.state().places.get([...shared.state().places.keys()][0] ?? '') ?? {
          shape: [],
        };
        expect(shape.length).toBeGreaterThan(0);
        shared.writeParameter(path, zeros([24, 16], { dtype: 'float64' }));
        // A part of it: the second of its rows.
        shared.writeParameter(path, zeros([16], { dtype: 'float64' }).add(1), 16);
        const { ranges, values } = shared.ownPart(path);
        expect(ranges[0]?.start).toBe(0);
        const numbers = values?.reshape([-1]).toArray() ?? [];
        expect(numbers.slice(0, 48)).toEqual(
          Array.from({ length: 48 }, (_, index) => (index >= 16 && index < 32 ? 1 : 0)),
        );
      }),
    );
  });

  test('a step leaves no tensor behind', () => {
    const shared = trainerOf(tinyModel(), zero);
    shared.step(microBatches);
    const before = liveTensorCount();
    shared.step(microBatches);
    expect(liveTensorCount()).toBe(before);
  });
});
