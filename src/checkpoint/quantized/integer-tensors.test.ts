/** What a folder of quantised layers may hold, and what is refused by name. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { InputError } from '../../errors/index.js';
import {
  type FileDtype,
  readFloats,
  type TensorInput,
  type TensorView,
  writeSafetensors,
} from '../../formats/index.js';
import { openModelCheckpoint } from '../open-model-checkpoint.js';

const root = mkdtempSync(join(tmpdir(), 'xinghe-integers-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let folders = 0;

type Tensors = Record<string, readonly [dtype: FileDtype, shape: readonly number[], values: ArrayBufferView]>;

interface Folder {
  readonly tensors: Tensors;
  /** quantization_config in config.json. */
  readonly config?: unknown;
  readonly files?: Readonly<Record<string, unknown>>;
}

function write({ tensors, config, files = {} }: Folder): string {
  const folder = mkdtempSync(join(root, `${folders++}-`));
  const inputs = Object.entries(tensors).map(
    ([name, [dtype, shape, { buffer, byteOffset, byteLength }]]): TensorInput => {
      return { name, dtype, shape, bytes: () => new Uint8Array(buffer, byteOffset, byteLength) };
    },
  );
  writeSafetensors(join(folder, 'model.safetensors'), inputs);
  const named = config === undefined ? files : { ...files, 'config.json': { quantization_config: config } };
  for (const [name, content] of Object.entries(named))
    writeFileSync(join(folder, name), JSON.stringify(content));
  return folder;
}

function openWeights(folder: Folder): ReadonlyMap<string, TensorView> {
  const [tensors] = openModelCheckpoint(write(folder)).ranks;
  return tensors ?? new Map();
}

/** 32 inputs, 8 outputs, two groups: every integer 9, zero point 8 (stored less one), scale 0.5. */
const gptq = {
  'a.qweight': ['int32', [4, 8], new Int32Array(32).fill(0x99999999 | 0)],
  'a.qzeros': ['int32', [2, 1], new Int32Array(2).fill(0x77777777)],
  'a.scales': ['float32', [2, 8], new Float32Array(16).fill(0.5)],
} satisfies Tensors;
const GPTQ = { quant_method: 'gptq', bits: 4, group_size: 16 };

const awq = {
  'a.qweight': ['int32', [32, 1], new Int32Array(32).fill(0x99999999 | 0)],
  'a.qzeros': ['int32', [2, 1], new Int32Array(2).fill(0x77777777)],
  'a.scales': ['float32', [2, 8], new Float32Array(16).fill(0.5)],
} satisfies Tensors;
const AWQ = { quant_method: 'awq', bits: 4, group_size: 16, version: 'gemm', zero_point: true };

const packed = {
  'a.weight_packed': ['int32', [8, 4], new Int32Array(32).fill(0x99999999 | 0)],
  'a.weight_scale': ['float32', [8, 2], new Float32Array(16).fill(0.5)],
  'a.weight_shape': ['int64', [2], BigInt64Array.of(8n, 32n)],
} satisfies Tensors;
const group = { num_bits: 4, type: 'int', symmetric: true, strategy: 'group', group_size: 16 };
const COMPRESSED = {
  quant_method: 'compressed-tensors',
  format: 'pack-quantized',
  config_groups: { group_0: { targets: ['Linear'], weights: group, input_activations: null } },
};

const int8 = {
  'a.weight': ['int8', [2, 4], Int8Array.of(1, 2, 3, 4, -1, -2, -3, -128)],
  'a.weight_scale': ['float32', [2, 1], Float32Array.of(2, 0.5)],
} satisfies Tensors;
const INT8 = {
  ...COMPRESSED,
  format: 'int-quantized',
  config_groups: { group_0: { weights: { num_bits: 8, type: 'int', strategy: 'channel' } } },
};

describe('a layer', () => {
  test.each([
    ['GPTQ', { tensors: gptq, config: GPTQ }, 0.5],
    ['GPTQ v2', { tensors: gptq, config: { ...GPTQ, checkpoint_format: 'gptq_v2' } }, 1],
    [
      'GPTQ by quantize_config.json',
      { tensors: gptq, files: { 'quantize_config.json': { bits: 4, group_size: 16 } } },
      0.5,
    ],
    ['AWQ', { tensors: awq, config: AWQ }, 1],
    [
      'AWQ by quant_config.json',
      {
        tensors: awq,
        files: { 'quant_config.json': { w_bit: 4, q_group_size: 16, version: 'GEMM', zero_point: true } },
      },
      1,
    ],
    ['compressed-tensors', { tensors: packed, config: COMPRESSED }, 0.5],
  ] as const)('%s', (_, folder, weight) => {
    const weights = openWeights(folder);
    expect([...weights.keys()]).toEqual(['a.weight']);
    const view = weights.get('a.weight');
    expect(view?.shape).toEqual([8, 32]);
    expect(view?.integers).toMatchObject({ bits: 4, groupCount: 2 });
    expect(view && readFloats(view)).toEqual(new Float32Array(256).fill(weight));
  });

  test('int8 with a scale for each row, or one for all', () => {
    const rows = openWeights({ tensors: int8, config: INT8 }).get('a.weight');
    expect(rows && [...readFloats(rows)]).toEqual([2, 4, 6, 8, -0.5, -1, -1.5, -64]);
    for (const shape of [[1, 1], [1]]) {
      const one = { ...int8, 'a.weight_scale': ['float32', shape, Float32Array.of(2)] } satisfies Tensors;
      const all = openWeights({ tensors: one, config: INT8 }).get('a.weight');
      expect(all && [...readFloats(all)]).toEqual([2, 4, 6, 8, -2, -4, -6, -256]);
    }
  });

  test('g_idx is obeyed, whatever the config says of order', () => {
    const scales = Float32Array.from({ length: 16 }, (_, index) => (index < 8 ? 1 : 100));
    const groups = Int32Array.from({ length: 32 }, (_, input) => (input % 3 === 0 ? 1 : 0));
    const tensors = {
      ...gptq,
      'a.scales': ['float32', [2, 8], scales],
      'a.g_idx': ['int32', [32], groups],
    } satisfies Tensors;
    const view = openWeights({ tensors, config: { ...GPTQ, desc_act: false } }).get('a.weight');
    const [row] = [view && readFloats(view).subarray(0, 32)];
    expect(row && [...row]).toEqual([...groups].map((each) => (each === 1 ? 100 : 1)));
  });

  test('bits and groups of each layer by its tensors, where the config names several', () => {
    const wide = {
      'b.qweight': ['int32', [8, 8], new Int32Array(64).fill(0x81818181 | 0)],
      'b.qzeros': ['int32', [1, 2], new Int32Array(2).fill(0x7f7f7f7f)],
      'b.scales': ['float16', [1, 8], new Uint16Array(8).fill(0x3c00)],
      'c.weight': ['float16', [2, 2], new Uint16Array(4)],
    } satisfies Tensors;
    const dynamic = { '+:b': { bits: 8, group_size: -1 }, '-:c': {} };
    const weights = openWeights({ tensors: { ...gptq, ...wide }, config: { ...GPTQ, dynamic } });
    expect(weights.get('b.weight')?.integers).toMatchObject({ bits: 8, groupCount: 1 });
    const view = weights.get('b.weight');
    expect(view && readFloats(view)).toEqual(new Float32Array(256).fill(1));
    expect(weights.get('c.weight')?.integers).toBeUndefined();
  });

  test('plain weights are left alone, whatever a config says', () => {
    const tensors = { 'a.weight': ['float32', [1, 1], Float32Array.of(3)] } satisfies Tensors;
    expect(openWeights({ tensors, config: GPTQ }).get('a.weight')?.integers).toBeUndefined();
  });
});

const without = (tensors: Tensors, name: string): Tensors =>
  Object.fromEntries(Object.entries(tensors).filter(([key]) => key !== name));

describe('refused by name', () => {
  test.each<[string, Folder, RegExp]>([
    ['no config', { tensors: gptq }, /"a\.qweight" is a quantised weight, and neither config\.json/],
    [
      'an unknown method',
      { tensors: gptq, config: { quant_method: 'hqq' } },
      /quant_method "hqq" is not read here; readable are gptq/,
    ],
    [
      'bitsandbytes',
      { tensors: gptq, config: { quant_method: 'bitsandbytes', load_in_4bit: true } },
      /quant_method "bitsandbytes"/,
    ],
    ['float8', { tensors: gptq, config: { quant_method: 'fp8' } }, /quant_method "fp8"/],
    [
      'another order',
      { tensors: gptq, config: { ...GPTQ, checkpoint_format: 'marlin' } },
      /checkpoint_format "marlin"/,
    ],
    [
      'gptq_p',
      { tensors: gptq, config: { ...GPTQ, checkpoint_format: 'gptq_p' } },
      /checkpoint_format "gptq_p"/,
    ],
    [
      'Marlin by its flag',
      { tensors: gptq, config: { ...GPTQ, is_marlin_format: true } },
      /is_marlin_format: .*Marlin/,
    ],
    ['5 bits', { tensors: gptq, config: { ...GPTQ, bits: 5 } }, /bits: must be 2, 3, 4 or 8/],
    ['no group size', { tensors: gptq, config: { bits: 4 } }, /group_size/],
    [
      'group size 0',
      { tensors: gptq, config: { ...GPTQ, group_size: 0 } },
      /group_size: must be a number of inputs, or -1/,
    ],
    [
      'words of 16 bits',
      { tensors: gptq, config: { ...GPTQ, pack_dtype: 'int16' } },
      /pack_dtype: words other than int32/,
    ],
    ['AWQ in another order', { tensors: awq, config: { ...AWQ, version: 'gemv' } }, /version "gemv" of AWQ/],
    [
      'AWQ without zero points',
      { tensors: awq, config: { ...AWQ, zero_point: false } },
      /zero_point: AWQ without zero points/,
    ],
    ['AWQ of 8 bits', { tensors: awq, config: { ...AWQ, bits: 8 } }, /bits/],
    [
      'quantised activations',
      {
        tensors: packed,
        config: {
          ...COMPRESSED,
          config_groups: { g: { weights: group, input_activations: { num_bits: 8 } } },
        },
      },
      /config_groups\.g\.input_activations: quantised activations/,
    ],
    [
      'a float form',
      { tensors: packed, config: { ...COMPRESSED, format: 'float-quantized' } },
      /format: must be pack-quantized/,
    ],
    [
      'sparse weights',
      { tensors: packed, config: { ...COMPRESSED, sparsity_config: { format: 'sparse-24-bitmask' } } },
      /sparsity_config\.format: sparse weights/,
    ],
    [
      'a quantised cache',
      { tensors: packed, config: { ...COMPRESSED, kv_cache_scheme: { num_bits: 8 } } },
      /kv_cache_scheme/,
    ],
    [
      'tensors of another method',
      { tensors: gptq, config: COMPRESSED },
      /a\.qweight" is of GPTQ or AWQ, and the config says/,
    ],
    [
      'tensors of another method, the other way',
      { tensors: packed, config: GPTQ },
      /a\.weight_packed" is of compressed-tensors/,
    ],
    ['no scales', { tensors: without(gptq, 'a.scales'), config: GPTQ }, /layer a: "a\.scales" is missing/],
    [
      'no zero points',
      { tensors: without(gptq, 'a.qzeros'), config: GPTQ },
      /layer a: "a\.qzeros" is missing/,
    ],
    [
      'no shape',
      { tensors: without(packed, 'a.weight_shape'), config: COMPRESSED },
      /"a\.weight_shape" is missing/,
    ],
    [
      'scales of another size',
      { tensors: { ...gptq, 'a.scales': ['float32', [2, 7], new Float32Array(14)] }, config: GPTQ },
      /"a\.scales" is \[2, 7\], and must be \[2, 8\]/,
    ],
    [
      'zero points of another size',
      { tensors: { ...gptq, 'a.qzeros': ['int32', [2, 2], new Int32Array(4)] }, config: GPTQ },
      /"a\.qzeros" is \[2, 2\], and must be \[2, 1\]/,
    ],
    [
      'another group size',
      { tensors: gptq, config: { ...GPTQ, group_size: 8 } },
      /with 2 groups, which fits no bits and group size/,
    ],
    [
      'a group that is not there',
      {
        tensors: {
          ...gptq,
          'a.g_idx': ['int32', [32], Int32Array.from({ length: 32 }, (_, input) => (input === 7 ? 2 : 0))],
        },
        config: GPTQ,
      },
      /"a\.g_idx" puts input 7 into group 2, and there are 2/,
    ],
    [
      'inputs of another number',
      { tensors: { ...gptq, 'a.g_idx': ['int32', [30], new Int32Array(30)] }, config: GPTQ },
      /with 2 groups and 30 inputs, which fits no bits/,
    ],
    [
      'weights in floats under the name',
      { tensors: { ...gptq, 'a.qweight': ['float32', [4, 8], new Float32Array(32)] }, config: GPTQ },
      /"a\.qweight" is float32, and must be int32/,
    ],
    [
      'both kinds of one weight',
      { tensors: { ...gptq, 'a.weight': ['float32', [8, 32], new Float32Array(256)] }, config: GPTQ },
      /both "a\.weight" and "a\.qweight" are there/,
    ],
    [
      'one row of scales for several groups',
      {
        tensors: { ...packed, 'a.weight_scale': ['float32', [1, 2], Float32Array.of(1, 2)] },
        config: COMPRESSED,
      },
      /"a\.weight_scale" has 1 rows for 8 outputs/,
    ],
    [
      'a shape that lies',
      {
        tensors: { ...packed, 'a.weight_shape': ['int64', [2], BigInt64Array.of(8n, 64n)] },
        config: COMPRESSED,
      },
      /"a\.weight_packed" is \[8, 4\] of a weight \[8, 64\]/,
    ],
    [
      'a shape of nonsense',
      {
        tensors: { ...packed, 'a.weight_shape': ['int64', [2], BigInt64Array.of(-8n, 2n ** 60n)] },
        config: COMPRESSED,
      },
      /"a\.weight_shape" holds -8/,
    ],
  ])('%s', (_, folder, message) => {
    const read = (): void => {
      for (const view of openWeights(folder).values()) readFloats(view);
    };
    expect(read).toThrow(InputError);
    expect(read).toThrow(message);
  });
});

test('any sizes and settings are read or refused, never more', () => {
  const size = fc.integer({ min: 1, max: 9 });
  const shape = fc.tuple(size, size);
  const method = fc.constantFrom('gptq', 'awq', 'compressed-tensors');
  fc.assert(
    fc.property(
      ...([
        method,
        fc.constantFrom(2, 3, 4, 8),
        fc.constantFrom(-1, 8, 16, 32),
        shape,
        shape,
        shape,
        fc.boolean(),
      ] as const),
      (quant_method, bits, group_size, weight, zero, scale, hasIndex) => {
        const integers = (sizes: readonly number[]): Int32Array =>
          new Int32Array(sizes.reduce((product, each) => product * each, 1)).fill(0x12345678);
        const [rows, columns] = scale;
        const scales = new Float32Array(rows * columns).fill(1);
        const isPacked = quant_method === 'compressed-tensors';
        const [outputs, words] = weight;
        const inputs = isPacked ? Math.floor((words * 32) / bits) : Math.floor((weight[0] * 32) / bits);
        const tensors: Tensors = isPacked
          ? {
              'a.weight_packed': ['int32', weight, integers(weight)],
              'a.weight_scale': ['float32', scale, scales],
              'a.weight_shape': ['int64', [2], BigInt64Array.of(BigInt(outputs), BigInt(inputs))],
              ...(hasIndex && { 'a.weight_zero_point': ['int32', zero, integers(zero)] }),
            }
          : {
              'a.qweight': ['int32', weight, integers(weight)],
              'a.qzeros': ['int32', zero, integers(zero)],
              'a.scales': ['float32', scale, scales],
              ...(hasIndex && { 'a.g_idx': ['int32', [inputs], new Int32Array(inputs)] }),
            };
        const config = isPacked
          ? { ...COMPRESSED, config_groups: { g: { weights: { ...group, num_bits: bits, group_size } } } }
          : { quant_method, bits, group_size };
        try {
          for (const view of openWeights({ tensors, config }).values()) {
            const [found, wanted] = [
              readFloats(view),
              view.shape.reduce((product, each) => product * each, 1),
            ];
            expect(found.length).toBe(wanted);
            expect(found.every(Number.isFinite)).toBe(true);
          }
        } catch (error) {
          if (!(error instanceof InputError)) throw error;
        }
      },
    ),
    { numRuns: 300 },
  );
});
