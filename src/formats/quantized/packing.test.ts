/** Integers packed and unpacked as AutoGPTQ, AutoAWQ and compressed-tensors do (tests/golden/quantised/algorithm). */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  dequantizeRows,
  groupsInOrder,
  type IntegerMatrix,
  openSafetensorsModel,
  packAwq,
  packGptq,
  packPackedRows,
  readBytes,
  readFloats,
  readInt32,
  type TensorView,
  unpackAwq,
  unpackGptq,
  unpackInt8,
  unpackPackedRows,
  viewOf,
} from '../index.js';

function goldens(name: string): (tensor: string) => TensorView {
  const path = fileURLToPath(
    new URL(`../../../tests/golden/quantised/algorithm/${name}.safetensors`, import.meta.url),
  );
  const { tensors } = openSafetensorsModel(path);
  return (tensor) => {
    const entry = tensors.get(tensor);
    if (entry === undefined) throw new Error(`${path} has no ${tensor}`);
    const { dtype, shape, file, byteStart, byteEnd } = entry;
    return viewOf({ name: tensor, dtype, shape, ranges: [{ path: file, start: byteStart, end: byteEnd }] });
  };
}

function dequantized(matrix: IntegerMatrix): Float32Array {
  const weights = new Float32Array(matrix.outFeatures * matrix.inFeatures);
  dequantizeRows(matrix, 0, matrix.outFeatures, weights);
  return weights;
}

const packing = goldens('packing');

describe.each([2, 3, 4, 8] as const)('GPTQ, %i bits', (bits) => {
  const part = (name: string): TensorView => packing(`gptq${bits}.${name}`);

  test.each([1, 2] as const)('version %i: integers, zero points and weights', (version) => {
    const matrix = unpackGptq({
      ...{ bits, version },
      qweight: readInt32(part('qweight')),
      qzeros: readInt32(part(version === 1 ? 'qzeros' : 'qzeros_v2')),
      scales: readFloats(part('scales')),
      groups: readInt32(part('g_idx')),
    });
    expect(matrix.values).toEqual(readBytes(part('q')));
    expect(dequantized(matrix)).toEqual(readFloats(part('dequant')));
    const again = packGptq(matrix, 2);
    expect(again.qweight).toEqual(readInt32(part('qweight')));
    expect(again.qzeros).toEqual(readInt32(part('qzeros_v2')));
    expect(again.scales).toEqual(readFloats(part('scales')));
    // Programs disagree about a zero point of 0 in version 1: it is never written.
    expect(() => packGptq(matrix, 1)).toThrow(/zero point of 0/);
    const zeros = matrix.zeros.map((zero) => Math.max(1, zero));
    const packed = packGptq({ ...matrix, zeros }, 1);
    const { groups } = matrix;
    expect(unpackGptq({ ...packed, bits, groups, version: 1 }).zeros).toEqual(zeros);
  });
});

test('AWQ: integers, zero points and weights', () => {
  const part = (name: string): TensorView => packing(`awq4.${name}`);
  const words = { qweight: readInt32(part('qweight')), qzeros: readInt32(part('qzeros')) };
  const matrix = unpackAwq({ ...words, scales: readFloats(part('scales')) }, groupsInOrder(64, 32));
  expect(matrix.values).toEqual(readBytes(part('q')));
  expect(dequantized(matrix)).toEqual(readFloats(part('dequant')));
  expect(packAwq(matrix)).toEqual({ ...words, scales: readFloats(part('scales')) });
});

describe('compressed-tensors', () => {
  const file = goldens('compressed_tensors');

  test.each([
    ['int4_g32_sym', 4, 32],
    ['int4_g32_asym', 4, 32],
    ['int8_channel', 8, 96],
  ] as const)('%s', (name, bits, groupSize) => {
    const packed = {
      packed: readInt32(file(`${name}.weight_packed`)),
      scales: readFloats(file(`${name}.weight_scale`)),
      zeroPoints: name.endsWith('_asym') ? readInt32(file(`${name}.weight_zero_point`)) : undefined,
    };
    const matrix = unpackPackedRows({ bits, ...packed }, 64, groupsInOrder(96, groupSize));
    expect(dequantized(matrix)).toEqual(readFloats(file(`${name}.dequant`)));
    expect(packPackedRows(matrix)).toEqual(packed);
  });

  test('plain int8 with and without zero points', () => {
    const [values, scales] = [Int8Array.of(-128, 0, 5, 127), Float32Array.of(0.5, 2)];
    const groups = groupsInOrder(2, 2);
    expect(dequantized(unpackInt8(values, scales, undefined, 2, groups))).toEqual(
      Float32Array.of(-64, 0, 10, 254),
    );
    expect(dequantized(unpackInt8(values, scales, Int8Array.of(-1, 5), 2, groups))).toEqual(
      Float32Array.of(-63.5, 0.5, 0, 244),
    );
  });
});

test('rows that end within a word begin with a word', () => {
  const [rows, columns] = [3, 5];
  const values = Uint8Array.from({ length: 15 }, (_, index) => (index * 7) % 16);
  const matrix: IntegerMatrix = {
    ...{ outFeatures: rows, inFeatures: columns, bits: 4, values },
    scales: Float32Array.of(1, 2, 3),
    zeros: Uint8Array.of(1, 9, 15),
    groups: groupsInOrder(columns, columns),
  };
  const packed = packPackedRows(matrix);
  expect(packed.packed.length).toBe(rows);
  expect(unpackPackedRows({ bits: 4, ...packed }, rows, matrix.groups)).toEqual(matrix);
});
