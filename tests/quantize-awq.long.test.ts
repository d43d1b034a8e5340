/** Activation-aware scaling: what AutoAWQ finds for the same models. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readJsonFile } from '../src/formats/index.js';
import { quantizeModel } from '../src/models/index.js';
import { BlockCalibration } from '../src/models/quantize/block-calibration.js';
import { compareModels } from '../src/models/quantize/compare-models.js';
import { calibrationRule } from '../src/models/quantize/quantization-recipe.js';
import { StreamedModel } from '../src/models/quantize/streamed-model.js';
import { sharedQuantised } from './support/quantised-goldens.js';
import { requiresShared } from './support/requires.js';

const root = mkdtempSync(join(tmpdir(), 'xinghe-awq-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Ids {
  readonly calibration: readonly (readonly number[])[];
  readonly inputs: readonly (readonly number[])[];
}

const goldens = sharedQuantised('');

describe('as AutoAWQ', requiresShared(goldens), () => {
  test.each(['llama-gqa', 'xverse-mha'])('%s', async (name) => {
    const folder = join(goldens ?? '', name);
    const ids = readJsonFile(join(folder, 'ids.json')) as Ids;
    const expected = readJsonFile(join(folder, 'awq-4bit-g32/expected.json')) as {
      readonly alpha_per_layer: readonly (readonly number[])[];
      readonly kl_from_full: number;
    };
    const windows = ids.calibration;
    const from = join(folder, 'full');
    const form = { form: 'awq', bits: 4, groupSize: 32, isSymmetric: false, scaleDType: 'float16' } as const;
    const rule = calibrationRule(
      { from, to: '', bits: 4, scheme: 'awq', calibration: windows },
      form,
      () => form,
    );
    if (rule === undefined) throw new TypeError('no rule');
    const calibration = new BlockCalibration(
      { model: new StreamedModel(from), full: new StreamedModel(from) },
      windows,
      rule,
      root,
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
    const [own = Number.NaN, published = 0] = [to, join(folder, 'awq-4bit-g32')].map((quantized) => {
      const models = [from, quantized].map((path) => new StreamedModel(path, { dtype: 'float32' }));
      const [full, other] = models;
      if (full === undefined || other === undefined) throw new TypeError('no models');
      const { divergence } = compareModels(full, other, ids.inputs);
      for (const model of models) model.dispose();
      return divergence;
    });
    expect(own).toBeLessThan(1.1 * published);
  });
});
