import { describe, expect, it } from 'vitest';
import { goldenFolder } from '../../tests/golden.js';
import type { ByteRange } from './read-ranges.js';
import { openSafetensorsModel } from './safetensors-index.js';
import { readTensorBytes, type StoredTensor } from './stored-tensor.js';
import { readTorchFile } from './torch-reader.js';

/** The tensors of a safetensors file as stored tensors. */
function safetensors(path: string): Map<string, StoredTensor> {
  const { tensors } = openSafetensorsModel(`${goldenFolder}${path}`);
  return new Map(
    [...tensors.values()].map(({ name, dtype, shape, file, byteStart, byteEnd }) => {
      const range: ByteRange = { path: file, start: byteStart, end: byteEnd };
      return [name, { name, dtype, shape, ranges: [range] }];
    }),
  );
}

function expectEqualTensors(
  actual: ReadonlyMap<string, StoredTensor>,
  expected: ReadonlyMap<string, StoredTensor>,
) {
  expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, tensor] of expected) {
    const found = actual.get(name);
    if (found === undefined) throw new Error(`no ${name}`);
    expect(found.dtype, name).toBe(tensor.dtype);
    expect(found.shape, name).toEqual(tensor.shape);
    expect(Buffer.compare(readTensorBytes(found), readTensorBytes(tensor)), name).toBe(0);
  }
}

describe('readTorchFile: goldens equal the safetensors beside them', () => {
  it.each([
    ['telechat-7b/pytorch_model.bin', 'telechat-7b/model.safetensors', 'zip'],
    ['telechat-7b/pytorch_model.legacy.bin', 'telechat-7b/model.safetensors', 'legacy'],
    ['xverse/bf16/pytorch_model.bin', 'xverse/bf16/model.safetensors', 'zip'],
    ['xverse/fp16/pytorch_model.bin', 'xverse/fp16/model.safetensors', 'zip'],
  ])('%s', (path, expected, format) => {
    const file = readTorchFile(`${goldenFolder}${path}`);
    expect(file.format).toBe(format);
    expectEqualTensors(file.tensors, safetensors(expected));
  });
  it('reads the Megatron names of spark, extra states among them', () => {
    const { tensors } = readTorchFile(`${goldenFolder}spark/megatron.pt`);
    const embedding = tensors.get('embedding.word_embeddings.weight');
    expect(embedding).toMatchObject({ dtype: 'float32', shape: [320, 64] });
    expect(tensors.get('transformer.layers.0.attention._extra_state')).toMatchObject({
      dtype: 'uint8',
      shape: [4],
    });
  });
});
