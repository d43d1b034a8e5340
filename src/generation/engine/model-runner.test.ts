/** Forward through paged blocks, and with left padding, against the plain forward of whole rows; float64. */
import { describe, expect, test } from 'vitest';
import { goldenFolder, goldenModels, maxAbsDifference } from '../../../tests/support/golden.js';
import {
  cachedLogits,
  initialised,
  inScope,
  oneByOne,
  PagedForward,
  someIds,
  telechatCacheDifference,
  tinyTelechat,
} from '../../../tests/support/paged-forward.js';
import { type CausalLm, loadModel, parseArchitecture } from '../../models/index.js';
import { ntkAlpha } from '../../models/ntk.js';
import { PagedKvCache } from '../../nn/index.js';
import { cat, intTensor, type Tensor } from '../../tensor/index.js';
import { ModelRunner } from './model-runner.js';

/** The same sums in another order, in float64, of logits of about 10. */
const BOUND = 1e-11;

describe.each(goldenModels)('%s', (folder) => {
  const withModel = (body: (model: CausalLm) => void): void =>
    inScope(() => {
      const { model } = loadModel(`${goldenFolder}${folder}`, { dtype: 'float64' });
      body(model);
      model.dispose();
    });

  // 35 tokens: four times Spark's window of 8.
  test.each([
    { name: 'prefill, then token by token', chunks: [12, ...oneByOne(23)] },
    { name: 'token by token from the first', chunks: oneByOne(35) },
    { name: 'prefill in two chunks', chunks: [20, 15] },
    { name: 'chunks around the window', chunks: [5, 3, 7, 1, 9, 1, 1, 8] },
  ])('cache: $name', ({ chunks }) =>
    withModel((model) => {
      const inputIds = someIds(2, 35, model.shape.vocabSize);
      const difference = maxAbsDifference(cachedLogits(model, inputIds, chunks), model.forward(inputIds));
      expect(difference).toBeLessThanOrEqual(BOUND);
    }),
  );

  test('a left-padded batch gives each row what it gives alone, cached or not', () =>
    withModel((model) => {
      const lengths = [17, 30, 5];
      const width = Math.max(...lengths);
      const rows = lengths.map((length) => someIds(1, length, model.shape.vocabSize));
      const pad = (length: number): Tensor =>
        intTensor(new Array(width - length).fill(0), [1, width - length]);
      const inputIds = cat(rows.map((row) => cat([pad(row.size(1)), row], 1)));
      const mask = cat(
        lengths.map((length) =>
          intTensor(
            Array.from({ length: width }, (_, index) => Number(index >= width - length)),
            [1, width],
          ),
        ),
      );
      const variants = {
        uncached: model.forward(inputIds, { attentionMask: mask }),
        cached: cachedLogits(
          model,
          inputIds,
          [26, ...oneByOne(4)],
          lengths.map((length) => Array.from({ length: width }, (_, index) => index >= width - length)),
        ),
      };
      for (const [name, logits] of Object.entries(variants))
        for (const [row, ids] of rows.entries()) {
          const length = lengths[row] ?? 0;
          const ours = logits.narrow(0, row, 1).narrow(1, width - length, length);
          // Rotations by other absolute positions: equal up to the rounding of the angles.
          expect(maxAbsDifference(ours, model.forward(ids)), `${name}, row ${row}`).toBeLessThanOrEqual(
            1e-10,
          );
        }
    }));
});

test.each([
  { name: 'a training_seqlen of 16', trainingLength: 16, chunks: [10, ...oneByOne(12), 8, 1, 1], layers: 3 },
  // Alpha 1 -> 3 at 8193, in single steps.
  { name: '8192', trainingLength: 8192, chunks: [8190, ...oneByOne(4)], layers: 1 },
])(
  'TeleChat across $name: cached keys keep the base of their own moment',
  ({ trainingLength, chunks, layers }) =>
    inScope(() => {
      const probe = chunks.reduce((sum, length) => sum + length, 0);
      const { cached, inOnePiece } = telechatCacheDifference(trainingLength, chunks, { layers, probe });
      expect(cached).toBeLessThanOrEqual(1e-10);
      expect(inOnePiece, 'the crossing is felt').toBeGreaterThan(1e-3);
    }),
);

test('TeleChat-52B across 4096: one layer equals the full forward of each length, as all its keys turn anew', () =>
  inScope(() => {
    const config = {
      model_type: 'telechat',
      vocab_size: 16,
      n_embd: 8,
      n_inner: 8,
      n_layer: 1,
      n_head: 1,
      activation_function: 'silu',
      add_bias_linear: false,
      relative_encoding: 'rotary',
      rotary_use_xpos: false,
      use_RMSNorm: true,
    };
    const model = initialised(parseArchitecture(config, 'test').createModel());
    const inputIds = someIds(1, 4100, 16);
    const forward = new PagedForward(model, 1, 4100);
    forward.run(inputIds.narrow(1, 0, 4094));
    for (let total = 4095; total <= 4100; total++) {
      const step = forward.run(inputIds.narrow(1, total - 1, 1));
      const whole = model.forward(inputIds.narrow(1, 0, total), { lastPositions: 1 });
      expect(maxAbsDifference(step, whole), `length ${total}`).toBeLessThanOrEqual(BOUND);
    }
    forward.dispose();
  }));

test('head_dim 160, as TeleChat-12B has: cached, and in every dtype', () =>
  inScope(() => {
    const config = { ...tinyTelechat, hidden_size: 320, n_head: 2, n_layer: 2, ffn_hidden_size: 64 };
    const model = initialised(parseArchitecture(config, 'test').createModel(), 0.05);
    const inputIds = someIds(2, 40, 16);
    const expected = model.forward(inputIds);
    const cached = cachedLogits(model, inputIds, [16, 16, ...oneByOne(8)]);
    expect(maxAbsDifference(cached, expected)).toBeLessThanOrEqual(BOUND);
    const largest = expected.abs().max().item();
    for (const [dtype, share] of [
      ['float32', 1e-5],
      ['bfloat16', 5e-2],
    ] as const) {
      model.to({ dtype });
      const difference = maxAbsDifference(model.forward(inputIds), expected);
      expect(difference / largest, dtype).toBeLessThanOrEqual(share);
    }
    model.dispose();
  }));

test('ntkAlpha steps where the published formula does', () => {
  const alphas = [1, 2048, 4096, 4097, 8192, 8193, 16384, 16385].map((length) => ntkAlpha(length, 4096));
  expect(alphas).toEqual([1, 1, 1, 3, 3, 7, 7, 15]);
});

test('TeleChat-52B: a step with more rotations than are kept from one step to the next', () =>
  inScope(() => {
    const { model } = loadModel(`${goldenFolder}telechat-52b`, { dtype: 'float64' });
    const cache = new PagedKvCache({
      layers: model.layers.length,
      blocks: 8,
      numKvHeads: model.shape.numKvHeads,
      headDim: model.shape.headDim,
      dtype: 'float64',
      device: 'cpu',
    });
    const runner = new ModelRunner(model, cache, undefined);
    // The base changes at 4096, 8192, … tokens; the texts themselves may be short.
    const chunks = Array.from({ length: 8 }, (_, index) => ({
      ids: [5, 6, 7],
      position: 0,
      blocks: [index],
      length: 4096 * 2 ** index,
      adapter: undefined,
    }));
    const together = runner.run(chunks);
    for (const [index, chunk] of chunks.entries())
      expect(maxAbsDifference(together.narrow(1, 3 * index, 3), runner.run([chunk]))).toBeLessThanOrEqual(
        BOUND,
      );
    runner.dispose();
    cache.dispose();
    model.dispose();
  }));
