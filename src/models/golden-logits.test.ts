/** Every golden logits case of every family: float64, float32, bfloat16. */
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  goldenFolder,
  goldenJson,
  goldenModels,
  goldenTensors,
  maxAbsDifference,
} from '../../tests/golden.js';
import { type FloatDType, noGrad, scope, type Tensor } from '../tensor/index.js';
import { loadModel } from './index.js';

interface GoldenCase {
  name: string;
  positions: string;
  fp32_max_abs_err: number;
  bf16_max_abs_err?: number;
}

/** Cases with a config of their own. */
const CASE_CONFIGS: Record<string, string> = { 'telechat-12b/mscale_trainlen16': 'config_trainlen16.json' };

/** Tokens of a case that runs in the default test run; longer ones take seconds each in float64. */
function logits(
  folder: string,
  name: string,
  positions: string,
  dtype: FloatDType,
  inputs: (name: string) => Tensor,
): Tensor {
  const config = CASE_CONFIGS[`${folder}/${name}`];
  const { model } = loadModel(`${goldenFolder}${folder}`, {
    dtype,
    configPath: config === undefined ? undefined : `${goldenFolder}${folder}/${config}`,
  });
  const attentionMask = name === 'left_padded' ? inputs(`${name}.attention_mask`) : undefined;
  const lastPositions = /^last (\d+)$/.exec(positions)?.[1];
  const result = noGrad(() =>
    model.forward(inputs(`${name}.input_ids`).to('int64'), {
      attentionMask,
      ...(lastPositions === undefined ? {} : { lastPositions: Number(lastPositions) }),
    }),
  );
  model.dispose();
  return result;
}

for (const folder of goldenModels.filter((name) => existsSync(`${goldenFolder}${name}`))) {
  const inputs = goldenTensors(`${folder}/expected.safetensors`);
  const { cases } = goldenJson<{ cases: GoldenCase[] }>(`${folder}/expected.json`);
  describe(folder, () => {
    for (const { name, positions, fp32_max_abs_err, bf16_max_abs_err } of cases) {
      const compare = (dtype: FloatDType, bound: number): void =>
        scope(() => {
          const expected = inputs(`${name}.logits64`);
          let actual = logits(folder, name, positions, dtype, inputs);
          expect(actual.shape).toEqual(expected.shape);
          let wanted = expected;
          if (name === 'left_padded') {
            const real = inputs(`${name}.attention_mask`).to('float64').unsqueeze(-1);
            actual = actual.to('float64').mul(real);
            wanted = expected.mul(real);
          }
          expect(maxAbsDifference(actual, wanted), `${folder} ${name} ${dtype}`).toBeLessThanOrEqual(bound);
        });
      // 1e-9: float64 sums in another order; logits are about 10, the longest case adds 16400 terms.
      test(`${name} float64`, () => compare('float64', 1e-9));
      test(`${name} float32`, () => compare('float32', 8 * fp32_max_abs_err));
      if (bf16_max_abs_err !== undefined)
        test(`${name} bfloat16`, () => compare('bfloat16', 3 * bf16_max_abs_err));
    }
  });
}
