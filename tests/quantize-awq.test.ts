/** Activation-aware scaling: what AutoAWQ finds for the same models, and that a scaled block computes what it did. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readJsonFile } from '../src/formats/index.js';
import { loadModel, quantizeModel } from '../src/models/index.js';
import { BlockCalibration } from '../src/models/quantize/block-calibration.js';
import {
  type InputSums,
  rowsByExpert,
  rowsOf,
  InputSums as Sums,
  watchInputs,
} from '../src/models/quantize/block-inputs.js';
import { ownFloats, stagesOf } from '../src/models/quantize/block-weights.js';
import { compareModels } from '../src/models/quantize/compare-models.js';
import { calibrationRule } from '../src/models/quantize/quantization-recipe.js';
import { scaleBlock } from '../src/models/quantize/scale-block.js';
import { intTensor, noGrad, scope, type Tensor } from '../src/tensor/index.js';
import { goldenFolder, goldenModels, maxAbsDifference } from './support/golden.js';
import { sharedQuantised } from './support/quantised-goldens.js';

const root = mkdtempSync(join(tmpdir(), 'xinghe-awq-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Ids {
  readonly calibration: readonly (readonly number[])[];
  readonly inputs: readonly (readonly number[])[];
}

describe('as AutoAWQ', () => {
  // The quick suite has its own goldens; these lie beside the repository.
  test.each(['llama-gqa', 'xverse-mha'])('%s', async (name) => {
    const folder = sharedQuantised(name);
    if (folder === undefined) {
      console.info(`skipped: no shared/golden/quantised/${name}`);
      return;
    }
    const ids = readJsonFile(join(folder, 'ids.json')) as Ids;
    const expected = readJsonFile(join(folder, 'awq-4bit-g32/expected.json')) as {
      readonly alpha_per_layer: readonly (readonly number[])[];
      readonly kl_from_full: number;
    };
    const all = ids.calibration.flat();
    const windows = Array.from({ length: Math.floor(all.length / 512) }, (_, index) =>
      all.slice(index * 512, (index + 1) * 512),
    );
    const from = join(folder, 'full');
    const form = { form: 'awq', bits: 4, groupSize: 32, isSymmetric: false, scaleDType: 'float16' } as const;
    const rule = calibrationRule(
      { from, to: '', bits: 4, scheme: 'awq', calibration: windows },
      form,
      () => form,
    );
    if (rule === undefined) throw new TypeError('no rule');
    const calibration = new BlockCalibration(
      { model: loadModel(from).model, full: loadModel(from).model },
      windows,
      rule,
    );
    for (const [index] of expected.alpha_per_layer.entries()) calibration.calibrate(index);
    // Ours is computed in float32, theirs in float16: one step of the grid.
    for (const [index, exponents] of expected.alpha_per_layer.entries())
      for (const [place, exponent] of exponents.entries())
        expect(
          Math.abs((calibration.exponents[index]?.[place] ?? 9) - exponent),
          `block ${index}, set ${place}`,
        ).toBeLessThan(0.051);
    expect(calibration.exponents.map(({ length }) => length)).toEqual(
      expected.alpha_per_layer.map(({ length }) => length),
    );
    calibration.dispose();
    const to = join(root, name);
    await quantizeModel({
      from,
      to,
      bits: 4,
      scheme: 'awq',
      form: 'awq',
      groupSize: 32,
      calibration: windows,
    });
    const [full, ours] = [
      loadModel(from, { dtype: 'float32' }).model,
      loadModel(to, { dtype: 'float32' }).model,
    ];
    const theirs = loadModel(join(folder, 'awq-4bit-g32'), { dtype: 'float32' }).model;
    const { inputs } = ids;
    const [own, published] = [compareModels(full, ours, inputs), compareModels(full, theirs, inputs)];
    expect(own.divergence).toBeLessThan(1.1 * published.divergence);
    for (const model of [full, ours, theirs]) model.dispose();
  });
});

/** Random weights lose much at four bits; what is told apart here is scaling from its absence. */
const windows = Array.from({ length: 4 }, (_, window) =>
  Array.from({ length: 24 }, (_, place) => (window * 31 + place * place * 7 + place) % 90),
);

describe.each(goldenModels)('%s', (name) => {
  test('a block with scaled weights computes what it did, biases and experts among them', () => {
    const { model } = loadModel(`${goldenFolder}${name}`, { dtype: 'float32' });
    noGrad(() =>
      scope(() => {
        for (const layer of model.layers) ownFloats(layer);
        const context = model.createContext(24);
        const hidden = windows.map((window) => model.embed(intTensor(window, [1, 24])));
        for (const [index, block] of model.layers.entries()) {
          const rows = new Map<string, Tensor[]>();
          const experts = new Map<string, InputSums[]>();
          const seen = new Map(
            [
              ...stagesOf(block).map(({ watched }) => watched),
              ...(index >= 0 && stagesOf(block).some(({ weights }) => weights[0]?.expert !== undefined)
                ? ['mlp.router']
                : []),
            ].map(
              (path) =>
                [
                  path,
                  (x: Tensor, counts: Tensor | undefined): void => {
                    if (counts === undefined) rows.set(path, [...(rows.get(path) ?? []), rowsOf(x).clone()]);
                    else {
                      const parts = rowsByExpert(rowsOf(x), counts);
                      const sums = experts.get(path) ?? parts.map(() => new Sums());
                      experts.set(path, sums);
                      for (const [expert, part] of parts.entries()) sums[expert]?.add(part);
                    }
                  },
                ] as const,
            ),
          );
          const before =
            watchInputs(block, new Map(seen), () =>
              hidden.map((each) => block.forward(each, context, index)),
            ) ?? [];
          const weight = stagesOf(block)[0]?.weights[0]?.read().clone();
          const { exponents, changed } = scaleBlock(
            {
              ...{ block, context, index, inputs: { rows, experts } },
              isQuantized: () => true,
              storedDType: () => 'float32',
            },
            {
              rounding: { bits: 4, groupSize: undefined, range: 'asymmetric' },
              judge: 'matrix',
              clips: false,
            },
          );
          expect(exponents.length).toBeGreaterThanOrEqual(3);
          expect(changed).toContain('inputNorm.weight');
          expect(weight?.equals(stagesOf(block)[0]?.weights[0]?.read() ?? weight)).toBe(false);
          for (const [place, each] of hidden.entries()) {
            const after = block.forward(each, context, index);
            const exact = before[place] ?? after;
            expect(maxAbsDifference(after, exact) / exact.abs().max().item()).toBeLessThan(1e-5);
          }
        }
      }),
    );
    model.dispose();
  });
});
