/** Models of every family quantised: what the folder holds, that it loads, and what it computes. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openModelCheckpoint } from '../src/checkpoint/index.js';
import { InputError } from '../src/errors/index.js';
import { openSafetensorsModel, readFloats } from '../src/formats/index.js';
import {
  loadModel,
  parseArchitecture,
  type QuantizeOptions,
  quantizeModel,
  saveModel,
} from '../src/models/index.js';
import { initializeModule, namedLinears } from '../src/nn/index.js';
import { IntegerLinear } from '../src/quantization/index.js';
import { intTensor, noGrad, RandomGenerator, scope, type Tensor } from '../src/tensor/index.js';
import { goldenFolder, goldenModels, goldenTensors, maxAbsDifference } from './support/golden.js';
import { casesOf } from './support/long-suite.js';

const root = mkdtempSync(join(tmpdir(), 'xinghe-quantize-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const ids = Array.from({ length: 24 }, (_, place) => (place * 37 + 11) % 90);

function logitsOf(
  path: string,
  keepIntegers: boolean,
): { logits: Tensor; integers: number; linears: number } {
  return noGrad(() =>
    scope(() => {
      const { model } = loadModel(path, { keepIntegers, dtype: 'float32' });
      const linears = [...namedLinears(model)].map(([, layer]) => layer);
      const logits = model.forward(intTensor(ids, [1, ids.length]));
      model.dispose();
      return {
        logits,
        linears: linears.length,
        integers: linears.filter((layer) => layer instanceof IntegerLinear).length,
      };
    }),
  );
}

const norm = (tensor: Tensor): number => Math.sqrt(tensor.mul(tensor).sum().item());

let made = 0;
async function quantized(from: string, options: Partial<QuantizeOptions> = {}): Promise<string> {
  const to = join(root, String(made++));
  await quantizeModel({ from, to, bits: 8, ...options });
  return to;
}

describe.each(goldenModels)('%s', (name) => {
  const from = `${goldenFolder}${name}`;

  test.each([
    ['int8 as published', { bits: 8, scheme: 'published' }, 0.05],
    ['int4, rows, asymmetric', { bits: 4, groupSize: 'row' }, 0.7],
  ] as const)('%s: loads as integers and as floats, near the full model', async (_, options, bound) => {
    const to = await quantized(from, options);
    const [full, kept, floats] = [logitsOf(from, false), logitsOf(to, true), logitsOf(to, false)];
    const scale = full.logits.abs().max().item();
    expect(maxAbsDifference(kept.logits, floats.logits) / scale).toBeLessThan(2e-5);
    // Random weights are sensitive; of weights at wrong places the logits would be others altogether (1.4).
    const error = norm(kept.logits.sub(full.logits)) / norm(full.logits);
    expect(error).toBeLessThan(bound);
    expect(error).toBeGreaterThan(1e-4);
    // All but the output projection, where the model has one of its own.
    expect(kept.integers).toBeGreaterThanOrEqual(kept.linears - 1);
    expect(kept.integers).toBeGreaterThan(0);
    expect(floats.integers).toBe(0);
  });
});

describe('the published rule', () => {
  const golden = goldenTensors('xverse/model.safetensors');

  test.each([8, 4] as const)('XVERSE, %i bits: max |w| of a row over the largest integer', async (bits) => {
    const to = await quantized(`${goldenFolder}xverse`, { bits, scheme: 'published' });
    const [tensors] = openModelCheckpoint(to).ranks;
    const name = 'model.layers.1.mlp.down_proj.weight';
    const view = tensors?.get(name);
    expect(view?.integers?.bits).toBe(bits);
    const weight = golden(name);
    const [rows = 0, columns = 0] = weight.shape;
    const exact = weight.toArray();
    const most = 2 ** (bits - 1) - 1;
    const found = view === undefined ? [] : readFloats(view);
    for (let row = 0; row < rows; row++) {
      const values = exact.slice(row * columns, (row + 1) * columns);
      const scale = Math.fround(Math.max(...values.map(Math.abs)) / most);
      for (const [column, value] of values.entries()) {
        const quotient = Math.fround(value / scale);
        const floor = Math.floor(quotient);
        const even = quotient - floor === 0.5 ? floor + (Math.abs(floor) % 2) : Math.round(quotient);
        expect(found[row * columns + column]).toBeCloseTo(Math.fround(scale * even), 12);
      }
    }
  });
});

/** Of sizes that all forms have a place for. */
const model = join(root, 'model');
beforeAll(async () => {
  const config = {
    ...{ model_type: 'llama', vocab_size: 96, hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2 },
    ...{ num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 64, rms_norm_eps: 1e-5 },
  };
  const architecture = parseArchitecture(config, 'test');
  const created = architecture.createModel();
  initializeModule(created, {
    rule: architecture.initRule,
    generator: new RandomGenerator(1),
    dtype: 'float32',
  });
  await saveModel(model, { model: created, architecture });
});

test.each([
  ['fp16', 'float16'],
  ['bf16', 'bfloat16'],
])('published scales of %s weights are %s, whatever the form', async (folder, dtype) => {
  const from = `${goldenFolder}xverse/${folder}`;
  const configPath = `${goldenFolder}xverse/config.json`;
  for (const [form, part] of [
    ['compressed-tensors', 'weight_scale'],
    ['gptq', 'scales'],
  ] as const) {
    const to = await quantized(from, { bits: 8, scheme: 'published', configPath, form, keep: ['mlp'] });
    const { tensors } = openSafetensorsModel(to);
    expect(tensors.get(`model.layers.0.self_attn.q_proj.${part}`)?.dtype, form).toBe(dtype);
  }
});

describe('forms', () => {
  const from = model;
  let expected = '';
  beforeAll(async () => {
    expected = await quantized(from, { bits: 4, groupSize: 32 });
  });

  test.each(['gptq', 'awq'] as const)('%s holds the same weights', async (form) => {
    const to = await quantized(from, { bits: 4, groupSize: 32, form });
    expect(logitsOf(to, true).logits.equals(logitsOf(expected, true).logits)).toBe(true);
  });

  test('a symmetric GPTQ is of the first version, which every program reads', async () => {
    const to = await quantized(from, { bits: 4, groupSize: 32, form: 'gptq', isSymmetric: true });
    const { quantization_config: config } = JSON.parse(readFileSync(join(to, 'config.json'), 'utf8'));
    expect(config).toMatchObject({
      quant_method: 'gptq',
      checkpoint_format: 'gptq',
      sym: true,
      group_size: 32,
    });
    expect(logitsOf(to, true).integers).toBeGreaterThan(0);
  });

  test('layers that are kept are floats, and the config names them', async () => {
    const to = await quantized(from, { bits: 4, groupSize: 32, keep: ['down_proj', 'layers.0.self_attn'] });
    const { quantization_config: config } = JSON.parse(readFileSync(join(to, 'config.json'), 'utf8'));
    expect(config.ignore).toContain('model.layers.1.mlp.down_proj');
    expect(config.ignore).toContain('model.layers.0.self_attn.q_proj');
    expect(config.ignore).not.toContain('model.layers.1.self_attn.q_proj');
    const all = logitsOf(expected, true);
    // The output projection is named as well.
    expect(config.ignore).toContain('lm_head');
    expect(logitsOf(to, true).integers).toBe(all.integers - (config.ignore.length - 1));
  });

  test('the report tells of every layer', () => {
    const report = JSON.parse(readFileSync(join(expected, 'quantization_report.json'), 'utf8'));
    expect(report).toMatchObject({ scheme: 'rtn', form: 'compressed-tensors', bits: 4, groupSize: 32 });
    expect(report.bytes).toBeLessThan(report.sourceBytes / 2);
    for (const layer of report.layers) {
      expect(layer.bitsPerWeight).toBeCloseTo(4.625, 2);
      expect(layer.relativeError).toBeGreaterThan(0);
      expect(layer.relativeError).toBeLessThan(0.02);
    }
    expect(readFileSync(join(expected, 'quantization_report.md'), 'utf8')).toContain(
      'model.layers.0.self_attn.q_proj',
    );
  });
});

describe('GPTQ', () => {
  const windows = Array.from({ length: 12 }, (_, window) =>
    Array.from({ length: 32 }, (_, place) => (window * 31 + place * place * 7 + place) % 90),
  );

  const kinds = casesOf(goldenModels, (name) => ['telechat-52b', 'xverse', 'qwen3moe'].includes(name));
  test.each(kinds)(
    '%s: every block is calibrated, and the text changes less than with the nearest integers',
    async (name) => {
      const from = `${goldenFolder}${name}`;
      const divergence = async (options: Partial<QuantizeOptions>): Promise<number> => {
        const to = join(root, String(made++));
        const report = await quantizeModel({
          from,
          to,
          bits: 4,
          groupSize: 'row',
          measured: windows,
          ...options,
        });
        return report.comparison?.divergence ?? Number.NaN;
      };
      const nearest = await divergence({ scheme: 'rtn' });
      const calibrated = await divergence({ calibration: windows });
      // Its experts are not calibrated, and where a token goes decides more than how its matrices are rounded.
      expect(calibrated).toBeLessThan(name === 'qwen3moe' ? 1.5 * nearest : 0.9 * nearest);
    },
  );

  test('the same twice, in every form; the inputs in their order are worse', async () => {
    const options = { bits: 4, groupSize: 32, calibration: windows } as const;
    const first = logitsOf(await quantized(model, options), true).logits;
    for (const form of ['compressed-tensors', 'gptq', 'awq'] as const)
      expect(logitsOf(await quantized(model, { ...options, form }), true).logits.equals(first)).toBe(true);
    expect(logitsOf(await quantized(model, { ...options, actOrder: false }), true).logits.equals(first)).toBe(
      false,
    );
  });
});

const calibrationWindows = Array.from({ length: 4 }, (_, window) =>
  Array.from({ length: 32 }, (_, place) => (window * 31 + place * place * 7 + place) % 90),
);

describe('refused, and nothing is written', () => {
  const from = model;

  const refusal = async (options: Partial<QuantizeOptions>): Promise<string> => {
    const to = join(root, 'refused');
    try {
      await quantizeModel({ from, to, bits: 4, ...options });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      expect(existsSync(to)).toBe(false);
      expect(readdirSync(root).filter((name) => name.includes('refused'))).toEqual([]);
      return error.message;
    }
    throw new Error('was not refused');
  };

  test('what cannot be', async () => {
    const already = await quantized(from, { bits: 4, groupSize: 32 });
    expect(await refusal({ scheme: 'gptq' })).toMatch(/--calibration/);
    expect(await refusal({ scheme: 'awq' })).toMatch(/awq rounds by what a text gives/);
    expect(await refusal({ form: 'awq', groupSize: 32, ends: 8 })).toMatch(
      /model\.embed_tokens cannot be kept as awq: AWQ has four bits only/,
    );
    expect(await refusal({ from: already })).toMatch(/is quantised already, and each time more is lost/);
    expect(await refusal({ groupSize: 96 })).toMatch(
      /groups of 96 do not divide its \d+ inputs.*--group-size/,
    );
    expect(await refusal({ form: 'awq', bits: 8 })).toMatch(/AWQ has four bits only/);
    expect(await refusal({ form: 'awq', isSymmetric: true })).toMatch(/--form awq keeps a zero point/);
    expect(await refusal({ keep: ['layers.'] })).toMatch(/no linear layer is left/);
    expect(await refusal({ keep: ['nonsense'] })).toMatch(/--keep nonsense: no linear layer/);
    expect(await refusal({ from: join(root, 'absent') })).toMatch(/absent/);
    expect(await refusal({ to: `${from}/inside` })).toMatch(/lie in each other/);
  });

  test.each([
    ['rtn', undefined],
    ['gptq', calibrationWindows],
    ['awq', calibrationWindows],
  ] as const)('%s: a row of NaN', async (scheme, calibration) => {
    const folder = changedModel('nan-', (weights) => weights.writeUInt32LE(0x7fc00000));
    expect(await refusal({ from: folder, groupSize: 32, scheme, calibration })).toMatch(
      /model\.layers\.1\.self_attn\.o_proj\.weight, row 0 holds NaN/,
    );
  });
});

/** @param change of the bytes of a projection [64, 64] in float32 */
function changedModel(prefix: string, change: (weights: Buffer) => void): string {
  const folder = mkdtempSync(join(root, prefix));
  for (const name of ['config.json', 'model.safetensors'])
    writeFileSync(join(folder, name), readFileSync(join(model, name)));
  const bytes = readFileSync(join(folder, 'model.safetensors'));
  const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString());
  const [start] = header['model.layers.1.self_attn.o_proj.weight'].data_offsets;
  change(bytes.subarray(8 + Number(bytes.readBigUInt64LE()) + start));
  writeFileSync(join(folder, 'model.safetensors'), bytes);
  return folder;
}

test.each(['published', 'rtn', 'gptq', 'awq'] as const)('%s: rows of zeros stay zeros', async (scheme) => {
  const folder = changedModel('zeros-', (weights) => weights.fill(0, 64 * 4, 3 * 64 * 4));
  const isCalibrated = scheme === 'gptq' || scheme === 'awq';
  const to = await quantized(folder, {
    ...{
      bits: 4,
      scheme,
      form: 'compressed-tensors',
      calibration: isCalibrated ? calibrationWindows : undefined,
    },
    groupSize: scheme === 'published' ? 'row' : 32,
  });
  const [tensors] = openModelCheckpoint(to).ranks;
  const view = tensors?.get('model.layers.1.self_attn.o_proj.weight');
  const weights = view === undefined ? [] : readFloats(view);
  expect([...weights.slice(64, 3 * 64)].every((weight) => Math.abs(weight) < 1e-6)).toBe(true);
  expect([...weights.slice(0, 64)].some((weight) => weight !== 0)).toBe(true);
});
