/** Layers kept in integers hold the very weights of their files, in every published form. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import {
  type IntegerMatrix,
  packAwq,
  packGptq,
  packPackedRows,
  readFloats,
  type TensorInput,
  writeSafetensors,
} from '../../formats/index.js';
import { DenseLinear, Module } from '../../nn/index.js';
import { IntegerLinear } from '../../quantization/index.js';
import { floatTensor, RandomGenerator, randn, scope } from '../../tensor/index.js';
import { openModelCheckpoint } from '../open-model-checkpoint.js';
import { ParameterReader } from '../parameter-reader.js';
import { keepIntegers } from './keep-integers.js';

const root = mkdtempSync(join(tmpdir(), 'xinghe-keep-integers-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Form {
  readonly method: 'gptq' | 'gptq_v2' | 'awq' | 'packed' | 'int8';
  readonly bits: 2 | 4 | 8;
  readonly inFeatures: number;
  readonly groupSize: number;
  /** Inputs of a group lie here and there. */
  readonly isScattered?: boolean;
  /** Zero points are half the range. */
  readonly isSymmetric?: boolean;
}

const OUT_FEATURES = 32;

let state = 9;
/** 0 … count - 1, the same at each run. */
function draw(count: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * count);
}

function matrixOf({ bits, inFeatures, groupSize, isScattered, isSymmetric }: Form): IntegerMatrix {
  const places = OUT_FEATURES * Math.ceil(inFeatures / groupSize);
  const step = isScattered === true ? 77 : 1;
  return {
    ...{ bits, inFeatures, outFeatures: OUT_FEATURES },
    values: Uint8Array.from({ length: OUT_FEATURES * inFeatures }, () => draw(2 ** bits)),
    scales: Float32Array.from({ length: places }, () => (1 + draw(9)) / 8),
    // Version 1 of GPTQ cannot say 0.
    zeros: Uint8Array.from({ length: places }, () =>
      isSymmetric === true ? 2 ** (bits - 1) : 1 + draw(2 ** bits - 1),
    ),
    groups: Int32Array.from({ length: inFeatures }, (_, input) =>
      Math.floor(((input * step) % inFeatures) / groupSize),
    ),
  };
}

type Tensors = Record<
  string,
  readonly [dtype: TensorInput['dtype'], shape: readonly number[], values: ArrayBufferView]
>;

function tensorsOf(form: Form, matrix: IntegerMatrix): { tensors: Tensors; config: unknown } {
  const { method, bits, groupSize } = form;
  const { inFeatures, outFeatures, scales, values, groups } = matrix;
  const groupCount = scales.length / outFeatures;
  const size = groupSize >= inFeatures ? -1 : groupSize;
  switch (method) {
    case 'gptq':
    case 'gptq_v2': {
      const packed = packGptq(matrix, method === 'gptq' ? 1 : 2);
      return {
        tensors: {
          'a.qweight': ['int32', [(inFeatures * bits) / 32, outFeatures], packed.qweight],
          'a.qzeros': ['int32', [groupCount, (outFeatures * bits) / 32], packed.qzeros],
          'a.scales': ['float32', [groupCount, outFeatures], packed.scales],
          'a.g_idx': ['int32', [inFeatures], groups],
        },
        config: { quant_method: 'gptq', bits, group_size: size, checkpoint_format: method },
      };
    }
    case 'awq': {
      const packed = packAwq(matrix);
      return {
        tensors: {
          'a.qweight': ['int32', [inFeatures, outFeatures / 8], packed.qweight],
          'a.qzeros': ['int32', [groupCount, outFeatures / 8], packed.qzeros],
          'a.scales': ['float32', [groupCount, outFeatures], packed.scales],
        },
        config: { quant_method: 'awq', bits: 4, group_size: size, version: 'gemm', zero_point: true },
      };
    }
    case 'packed':
    case 'int8': {
      const isPacked = method === 'packed';
      const packed = packPackedRows(matrix);
      const words = packed.packed.length / outFeatures;
      const weights = {
        ...{ num_bits: bits, type: 'int', symmetric: form.isSymmetric === true },
        ...{ strategy: size === -1 ? 'channel' : 'group', group_size: size === -1 ? null : size },
      };
      const signed = (bytes: Uint8Array): Int8Array => Int8Array.from(bytes, (value) => value - 128);
      const zeroPoints = isPacked
        ? packed.zeroPoints
        : form.isSymmetric === true
          ? undefined
          : signed(matrix.zeros);
      return {
        tensors: {
          ...(isPacked
            ? {
                'a.weight_packed': ['int32', [outFeatures, words], packed.packed],
                'a.weight_shape': ['int64', [2], BigInt64Array.of(BigInt(outFeatures), BigInt(inFeatures))],
              }
            : { 'a.weight': ['int8', [outFeatures, inFeatures], signed(values)] }),
          'a.weight_scale': ['float32', [outFeatures, groupCount], scales],
          ...(zeroPoints && {
            'a.weight_zero_point': [
              isPacked ? 'int32' : 'int8',
              [zeroPoints.length / groupCount, groupCount],
              zeroPoints,
            ],
          }),
        },
        config: {
          quant_method: 'compressed-tensors',
          format: isPacked ? 'pack-quantized' : 'int-quantized',
          config_groups: { group_0: { targets: ['Linear'], weights, input_activations: null } },
        },
      };
    }
  }
}

class Holder extends Module {
  readonly a: DenseLinear;
  constructor(inFeatures: number) {
    super();
    this.a = new DenseLinear(inFeatures, OUT_FEATURES);
  }
}

test.each<readonly [string, Form, areRows: boolean]>([
  ['GPTQ', { method: 'gptq', bits: 4, inFeatures: 96, groupSize: 32 }, true],
  ['GPTQ v2, one group', { method: 'gptq_v2', bits: 4, inFeatures: 64, groupSize: 64 }, true],
  [
    'GPTQ, inputs here and there',
    { method: 'gptq', bits: 4, inFeatures: 128, groupSize: 32, isScattered: true },
    true,
  ],
  ['GPTQ, 8 bits', { method: 'gptq', bits: 8, inFeatures: 160, groupSize: 64 }, true],
  [
    'GPTQ, 8 bits here and there',
    { method: 'gptq_v2', bits: 8, inFeatures: 64, groupSize: 32, isScattered: true },
    true,
  ],
  ['GPTQ, 2 bits', { method: 'gptq', bits: 2, inFeatures: 64, groupSize: 32 }, false],
  ['AWQ', { method: 'awq', bits: 4, inFeatures: 96, groupSize: 32 }, true],
  ['packed, 4 bits', { method: 'packed', bits: 4, inFeatures: 96, groupSize: 32 }, true],
  [
    'packed, symmetric',
    { method: 'packed', bits: 4, inFeatures: 64, groupSize: 32, isSymmetric: true },
    true,
  ],
  ['packed, 8 bits', { method: 'packed', bits: 8, inFeatures: 96, groupSize: 96 }, true],
  [
    'packed, a row that ends within a block',
    { method: 'packed', bits: 4, inFeatures: 48, groupSize: 48 },
    false,
  ],
  ['int8', { method: 'int8', bits: 8, inFeatures: 64, groupSize: 64, isSymmetric: true }, true],
  ['int8 with zero points', { method: 'int8', bits: 8, inFeatures: 64, groupSize: 64 }, true],
])('%s', (_, form, areRows) => {
  const folder = mkdtempSync(join(root, 'model-'));
  const { tensors, config } = tensorsOf(form, matrixOf(form));
  const inputs = Object.entries(tensors).map(
    ([tensor, [dtype, shape, { buffer, byteOffset, byteLength }]]): TensorInput => {
      return { name: tensor, dtype, shape, bytes: () => new Uint8Array(buffer, byteOffset, byteLength) };
    },
  );
  writeSafetensors(join(folder, 'model.safetensors'), inputs);
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ quantization_config: config }));
  const [views] = openModelCheckpoint(folder).ranks;
  const view = views?.get('a.weight');
  if (views === undefined || view === undefined) throw new Error('no weight was read');
  expect(view.integers?.readRows() !== undefined).toBe(areRows);
  const module = new Holder(form.inFeatures);
  const reader = new ParameterReader();
  expect([...keepIntegers(module, views, reader, {})]).toEqual(['a.weight']);
  reader.dispose();
  scope(() => {
    const layer: unknown = module.a;
    if (!(layer instanceof IntegerLinear)) throw new Error('the layer was not replaced');
    const weight = floatTensor(readFloats(view), view.shape);
    expect(layer.dequantizedWeight().equals(weight)).toBe(true);
    const x = randn([3, form.inFeatures], new RandomGenerator(3));
    const wanted = x.to('float64').matmul(weight.to('float64').transpose(0, 1));
    expect(layer.forward(x).to('float64').sub(wanted).abs().max().item()).toBeLessThan(1e-3);
  });
});
