/** Whose inputs are rounded: as it is asked for, and by itself where weights have 4 bits. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { InputError } from '../src/errors/index.js';
import {
  type IntegerActivations,
  type LoadModelOptions,
  loadModel,
  quantizeModel,
} from '../src/models/index.js';
import { namedLinears } from '../src/nn/index.js';
import { IntegerEmbedding, IntegerLinear } from '../src/quantization/index.js';
import { saveSmallLlama } from './support/small-llama.js';

const root = mkdtempSync(join(tmpdir(), 'xinghe-integer-activations-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const paths = { dense: join(root, 'dense'), int4: join(root, 'int4'), int8: join(root, 'int8') };
beforeAll(async () => {
  await saveSmallLlama(paths.dense, { num_hidden_layers: 1, tie_word_embeddings: true });
  const made = { from: paths.dense, groupSize: 32, ends: 8 } as const;
  await quantizeModel({ ...made, to: paths.int4, bits: 4 });
  await quantizeModel({ ...made, to: paths.int8, bits: 8 });
});

/** Of all layers and tables of integers. */
function roundsInput(path: string, options: LoadModelOptions): boolean[] {
  const { model } = loadModel(path, { keepIntegers: true, dtype: 'float32', ...options });
  try {
    const tables = [...model.namedModules()].flatMap(([, each]) =>
      each instanceof IntegerEmbedding ? each.roundsInput : [],
    );
    expect(tables).toHaveLength(1);
    return [
      ...tables,
      ...[...namedLinears(model)].flatMap(([, each]) =>
        each instanceof IntegerLinear ? each.roundsInput : [],
      ),
    ];
  } finally {
    model.dispose();
  }
}

test.each<['int4' | 'int8', IntegerActivations | undefined, boolean]>([
  ['int4', undefined, false],
  ['int4', 'none', false],
  ['int4', 'auto', true],
  ['int4', 'int8', true],
  ['int8', 'auto', false],
  ['int8', 'int8', true],
])('weights of %s, %s', (weights, integerActivations, expected) => {
  const all = roundsInput(paths[weights], { integerActivations });
  expect(all).toHaveLength(8);
  expect(new Set(all)).toEqual(new Set([expected]));
});

test('float64 and weights that are no integers: by itself not, and refused where it is asked for', () => {
  expect(new Set(roundsInput(paths.int4, { integerActivations: 'auto', dtype: 'float64' }))).toEqual(
    new Set([false]),
  );
  const asked = { keepIntegers: true, integerActivations: 'int8' } as const;
  expect(() => loadModel(paths.int4, { ...asked, dtype: 'float64' })).toThrow(InputError);
  expect(() => loadModel(paths.dense, asked)).toThrow(/where no weights are integers.*--integer-activations/);
  loadModel(paths.dense, { ...asked, integerActivations: 'auto' }).model.dispose();
});
