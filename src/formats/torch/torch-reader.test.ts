import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import type { ByteRange } from '../files/read-ranges.js';
import { openSafetensorsModel } from '../safetensors/safetensors-index.js';
import { type FileTensor, readTensorBytes, readTensorChunks } from '../tensors/file-tensor.js';
import { openTorchModel } from './torch-model.js';
import { readTorchFile } from './torch-reader.js';
import { writeTorchFile } from './torch-writer.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torch-reader-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The tensors of a safetensors file as file tensors. */
function safetensors(path: string): Map<string, FileTensor> {
  const { tensors } = openSafetensorsModel(`${goldenFolder}${path}`);
  return new Map(
    [...tensors.values()].map(({ name, dtype, shape, file, byteStart, byteEnd }) => {
      const range: ByteRange = { path: file, start: byteStart, end: byteEnd };
      return [name, { name, dtype, shape, ranges: [range] }];
    }),
  );
}

function expectEqualTensors(
  actual: ReadonlyMap<string, FileTensor>,
  expected: ReadonlyMap<string, FileTensor>,
): void {
  for (const [name, tensor] of expected) {
    const found = actual.get(name);
    if (found === undefined) throw new Error(`no ${name}`);
    expect(found.dtype, name).toBe(tensor.dtype);
    expect(found.shape, name).toEqual(tensor.shape);
    expect(Buffer.compare(readTensorBytes(found), readTensorBytes(tensor)), name).toBe(0);
  }
}

describe('goldens equal the safetensors beside them', () => {
  it.each([
    ['telechat-7b/pytorch_model.bin', 'telechat-7b/model.safetensors', 'zip'],
    ['telechat-7b/pytorch_model.legacy.bin', 'telechat-7b/model.safetensors', 'legacy'],
    ['xverse/bf16/pytorch_model.bin', 'xverse/bf16/model.safetensors', 'zip'],
    ['xverse/fp16/pytorch_model.bin', 'xverse/fp16/model.safetensors', 'zip'],
  ])('%s', (path, expected, format) => {
    const file = readTorchFile(`${goldenFolder}${path}`);
    expect(file.format).toBe(format);
    expect([...file.tensors.keys()].sort()).toEqual([...safetensors(expected).keys()].sort());
    expectEqualTensors(file.tensors, safetensors(expected));
  });

  it.each([
    ['telechat-12b', []],
    ['telechat-52b', ['attn.bias', 'attn.masked_bias', 'wpe.inv_freq']],
  ])('%s: three shards', (name, buffers) => {
    const { files, tensors, surplus } = openTorchModel(`${goldenFolder}${name}/pytorch_model.bin.index.json`);
    expect(files).toHaveLength(3);
    expect(surplus).toEqual([]);
    const expected = safetensors(`${name}/model.safetensors`);
    expectEqualTensors(tensors, expected);
    const more = [...tensors.keys()].filter((key) => !expected.has(key));
    expect(more.every((key) => buffers.some((buffer) => key.endsWith(buffer)))).toBe(true);
    expect(more.length > 0).toBe(buffers.length > 0);
  });

  it('telechat-7b as a folder: its pytorch_model.bin', () => {
    expect(openTorchModel(`${goldenFolder}telechat-7b`).files).toEqual([
      join(goldenFolder, 'telechat-7b/pytorch_model.bin'),
    ]);
  });

  it('spark: Megatron names, extra states among them', () => {
    const { tensors } = readTorchFile(`${goldenFolder}spark/megatron.pt`);
    const embedding = tensors.get('embedding.word_embeddings.weight');
    expect(embedding).toMatchObject({ dtype: 'float32', shape: [320, 64] });
    const published = safetensors('spark/model.safetensors');
    const twin = [...published.values()].find(({ shape }) => shape.join() === '320,64');
    if (embedding === undefined || twin === undefined) throw new Error('no embedding');
    expect(Buffer.compare(readTensorBytes(embedding), readTensorBytes(twin))).toBe(0);
    expect(tensors.get('transformer.layers.0.attention._extra_state')).toMatchObject({
      dtype: 'uint8',
      shape: [4],
    });
  });
});

describe('memory', () => {
  it('a file of 200 MB is written and read in pieces', () => {
    const path = join(folder, 'large.bin');
    const piece = new Uint8Array(2 ** 20).fill(1);
    const bytes = function* () {
      for (let index = 0; index < 100; index++) yield piece;
    };
    const before = process.memoryUsage().rss;
    let peak = 0;
    writeTorchFile(
      path,
      ['a', 'b'].map((name) => ({ name, dtype: 'uint8', shape: [100 * 2 ** 20], bytes })),
    );
    let read = 0;
    for (const tensor of readTorchFile(path).tensors.values())
      for (const part of readTensorChunks(tensor, 2 ** 20)) {
        read += part.length;
        peak = Math.max(peak, process.memoryUsage().rss);
      }
    expect(read).toBe(200 * 2 ** 20);
    expect((peak - before) / 2 ** 20).toBeLessThan(100);
  });
});
