import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  goldenFolder,
  goldenModels,
  goldenTensors,
  maxAbsDifference,
} from '../../../tests/support/golden.js';
import { readSafetensorsHeader } from '../../formats/index.js';
import { applyLora, initializeLora, mergeLora } from '../../lora/index.js';
import { type LoadedModel, loadModel } from '../../models/index.js';
import {
  type FloatDType,
  intTensor,
  noGrad,
  RandomGenerator,
  scope,
  type Tensor,
} from '../../tensor/index.js';
import { publishedParameters } from '../published-parameters.js';
import { loadAdapter } from './load-adapter.js';
import { saveAdapter } from './save-adapter.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-adapter-'));
afterAll(() => rmSync(folder, { recursive: true }));

const peftFolder = `${goldenFolder}xverse/peft_adapter`;

function golden(name: string, dtype?: FloatDType): LoadedModel {
  return loadModel(`${goldenFolder}${name}`, { dtype });
}

function logitsOf({ model }: LoadedModel, ids: Tensor): Tensor {
  return noGrad(() => model.forward(ids));
}

test("PEFT's adapter: logits without, with and merged, and the merged weights", () => {
  const stored = goldenTensors('xverse/peft_expected.safetensors');
  const ids = stored('input_ids').to('int64');
  const loaded = golden('xverse');
  const { model, architecture } = loaded;
  // Float32 in another order of sums, which depends on the matrix route chosen: logits are about 10, both routes gave up
  // to 2.3e-5.
  const bound = 4e-5;
  expect(maxAbsDifference(logitsOf(loaded, ids), stored('logits_base'))).toBeLessThan(bound);
  loadAdapter(model, architecture.names, peftFolder);
  expect(maxAbsDifference(logitsOf(loaded, ids), stored('logits_adapter'))).toBeLessThan(bound);
  expect(maxAbsDifference(stored('logits_adapter'), stored('logits_base'))).toBeGreaterThan(0.1);
  mergeLora(model);
  expect(maxAbsDifference(logitsOf(loaded, ids), stored('logits_merged'))).toBeLessThan(bound);
  for (const name of ['model.layers.0.mlp.down_proj.weight', 'model.layers.0.self_attn.q_proj.weight']) {
    const weight = publishedParameters(model, architecture.names).get(name);
    if (weight === undefined) throw new Error(`no ${name}`);
    expect(maxAbsDifference(weight, stored(`merged.${name}`)), name).toBeLessThan(1e-6);
  }
});

const variants = [
  { method: 'LoRA', options: {}, config: { use_rslora: false, use_dora: false } },
  { method: 'rsLoRA', options: { rankStabilized: true }, config: { use_rslora: true, use_dora: false } },
  { method: 'DoRA', options: { dora: true }, config: { use_rslora: false, use_dora: true } },
] as const;
const cases = goldenModels.flatMap((name) => variants.map((variant) => ({ name, ...variant })));

describe.each(cases)('$name, $method', ({ name, options, config: expected }) => {
  /** A model with adapters on the projections of attention and MLP that change something. */
  function adapted(): LoadedModel {
    const loaded = golden(name, 'float64');
    const lora = { rank: 3, alpha: 12, ...options };
    const adapters = applyLora(loaded.model, (path) => /layers\.\d+\./.test(path), lora);
    const generator = new RandomGenerator(5);
    scope(() => {
      for (const layer of adapters.values()) {
        initializeLora(layer, generator, 'float64');
        layer.loraB.add_(0.02);
        layer.loraMagnitude?.mul_(1.1);
      }
    });
    generator.dispose();
    return loaded;
  }
  const ids = intTensor(
    Array.from({ length: 14 }, (_, index) => (index * 37) % 90),
    [2, 7],
  );

  test('saved in PEFT form and loaded again, the logits are the same', () => {
    const target = mkdtempSync(join(folder, 'peft-'));
    const before = adapted();
    saveAdapter(before.model, before.architecture.names, target, 'base');
    const after = golden(name, 'float64');
    loadAdapter(after.model, after.architecture.names, target);
    expect(logitsOf(after, ids).equals(logitsOf(before, ids))).toBe(true);
    const config = JSON.parse(readFileSync(join(target, 'adapter_config.json'), 'utf8'));
    expect(config).toMatchObject({
      peft_type: 'LORA',
      r: 3,
      lora_alpha: 12,
      base_model_name_or_path: 'base',
      ...expected,
    });
    expect(config.fan_in_fan_out).toBe(name === 'telechat-52b');
    // PEFT adapts every module whose name ends in one of these.
    const { tensors } = readSafetensorsHeader(join(target, 'adapter_model.safetensors'));
    for (const tensor of tensors.keys())
      expect(
        config.target_modules.some((module: string) => tensor.includes(`.${module}.lora_`)),
        tensor,
      ).toBe(true);
  });

  test('merged, it computes the same with plain layers', () => {
    const loaded = adapted();
    const unmerged = logitsOf(loaded, ids);
    const plain = golden(name, 'float64');
    expect(maxAbsDifference(unmerged, logitsOf(plain, ids))).toBeGreaterThan(0.01);
    mergeLora(loaded.model);
    expect(maxAbsDifference(logitsOf(loaded, ids), unmerged)).toBeLessThan(1e-10);
    expect(loaded.model.namedParameters().map(([path]) => path)).toEqual(
      plain.model.namedParameters().map(([path]) => path),
    );
  });
});

describe('a faulty adapter is refused', () => {
  function broken(change: (target: string) => void): () => void {
    const target = mkdtempSync(join(folder, 'broken-'));
    cpSync(peftFolder, target, { recursive: true });
    change(target);
    const { model, architecture } = golden('xverse');
    return () => loadAdapter(model, architecture.names, target);
  }
  const config = (values: object) =>
    broken((target) => {
      const path = join(target, 'adapter_config.json');
      writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...values }));
    });

  test.each<[string, () => void, RegExp]>([
    ['another rank', config({ r: 8 }), /lora_[AB]\.weight" has shape .*rank 8 on this layer needs/],
    ['DoRA without magnitudes', config({ use_dora: true }), /layer layers\.\d\..* has no magnitude/],
    ['another method', config({ peft_type: 'OFT' }), /adapter_config\.json: peft_type: /],
    ['repeated layers', config({ layer_replication: [[0, 2]] }), /layer_replication: .*not supported/],
    [
      'no config',
      broken((target) => rmSync(join(target, 'adapter_config.json'))),
      /adapter_config\.json does not exist/,
    ],
    [
      'no weights',
      broken((target) => rmSync(join(target, 'adapter_model.safetensors'))),
      /adapter_model\.safetensors does not exist/,
    ],
  ])('%s', (_, load, message) => {
    expect(load).toThrow(message);
  });

  test('magnitudes without use_dora', () => {
    const { model, architecture } = golden('xverse');
    const target = mkdtempSync(join(folder, 'dora-'));
    const adapters = applyLora(model, (path) => path.endsWith('qProj'), { rank: 2, alpha: 4, dora: true });
    const generator = new RandomGenerator(1);
    for (const layer of adapters.values()) initializeLora(layer, generator);
    generator.dispose();
    saveAdapter(model, architecture.names, target);
    const plain = golden('xverse');
    expect(() => loadAdapter(plain.model, architecture.names, target, { rank: 2, alpha: 4 })).toThrow(
      /lora_magnitude_vector" is DoRA's, but the adapter's config does not say use_dora/,
    );
  });

  test('an adapter of another model', () => {
    const { model, architecture } = golden('spark');
    expect(() => loadAdapter(model, architecture.names, peftFolder)).toThrow(
      /tensor "base_model\.model\.model\.layers\.\d\..*" belongs to no layer of this model/,
    );
    expect(() => loadAdapter(model, architecture.names, join(folder, 'nowhere'))).toThrow(
      /nowhere: no such adapter/,
    );
  });
});
