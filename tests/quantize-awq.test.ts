/** Activation-aware scaling: a scaled block computes what it did. */
import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { loadModel } from '../src/models/index.js';
import { BlockCalibration } from '../src/models/quantize/block-calibration.js';
import {
  type InputSums,
  rowsByExpert,
  rowsOf,
  InputSums as Sums,
  watchInputs,
} from '../src/models/quantize/block-inputs.js';
import { ownFloats, stagesOf } from '../src/models/quantize/block-weights.js';
import { calibrationRule } from '../src/models/quantize/quantization-recipe.js';
import { SavedRows } from '../src/models/quantize/saved-rows.js';
import { scaleBlock } from '../src/models/quantize/scale-block.js';
import { ScratchFile } from '../src/models/quantize/scratch-file.js';
import { StreamedModel } from '../src/models/quantize/streamed-model.js';
import { intTensor, noGrad, scope, type Tensor } from '../src/tensor/index.js';
import { goldenFolder, goldenModels, maxAbsDifference } from './support/golden.js';

/** Random weights lose much at four bits; what is told apart here is scaling from its absence. */
const windows = Array.from({ length: 4 }, (_, window) =>
  Array.from({ length: 24 }, (_, place) => (window * 31 + place * place * 7 + place) % 90),
);

describe.each(goldenModels)('%s', (name) => {
  test('a block with scaled weights computes what it did, biases and experts among them', () => {
    const { model } = loadModel(`${goldenFolder}${name}`, { dtype: 'float32' });
    const file = new ScratchFile(tmpdir());
    noGrad(() =>
      scope(() => {
        for (const layer of model.layers) ownFloats(layer);
        const context = model.createContext(24);
        const hidden = windows.map((window) => model.embed(intTensor(window, [1, 24])));
        for (const [index, block] of model.layers.entries()) {
          const rows = new Map<string, SavedRows>();
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
                    if (counts === undefined) {
                      const saved = rows.get(path) ?? new SavedRows(file);
                      rows.set(path, saved);
                      saved.add(rowsOf(x));
                    } else {
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
    file.dispose();
    model.dispose();
  });
});

test('norms of a 16-bit model are divided as they will be stored, those of the first block too', () => {
  const options = { configPath: `${goldenFolder}xverse/config.json` };
  const from = `${goldenFolder}xverse/bf16`;
  const form = {
    form: 'awq',
    bits: 4,
    groupSize: undefined,
    isSymmetric: false,
    scaleDType: 'float16',
  } as const;
  const rule = calibrationRule(
    { from, to: '', bits: 4, scheme: 'awq', calibration: windows },
    form,
    () => form,
  );
  if (rule === undefined) throw new TypeError('no rule');
  const models = { model: new StreamedModel(from, options), full: new StreamedModel(from, options) };
  const calibration = new BlockCalibration(models, windows, rule, tmpdir());
  for (const index of models.model.model.layers.keys()) {
    calibration.calibrate(index);
    const norm = calibration.takeChanged(`layers.${index}.inputNorm.weight`);
    expect(norm?.equals(scope(() => norm.to('bfloat16').to('float32'))), `block ${index}`).toBe(true);
    expect(norm?.sub(norm.mean()).abs().max().item()).toBeGreaterThan(0.01);
    norm?.dispose();
  }
  calibration.dispose();
});
