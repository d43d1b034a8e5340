import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { goldenJson } from '../../../tests/support/golden.js';
import { requiresShared } from '../../../tests/support/requires.js';
import { InputError } from '../../errors/index.js';
import { readRanges } from '../files/read-ranges.js';
import { openSafetensorsModel } from '../safetensors/safetensors-index.js';
import { readTensorBytes } from '../tensors/file-tensor.js';
import { everyRow, readView, sliceRows, streamView, viewOf } from '../tensors/tensor-view.js';
import { dequantized } from './dequantize.js';
import { openGgufModel } from './gguf-model.js';
import { type GgufQuantization, ggufQuantizationLayout } from './gguf-types.js';
import { writeGgufFile } from './gguf-writer.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-blocks-'));
afterAll(() => rmSync(folder, { recursive: true }));

type Vectors = Readonly<Record<string, { readonly blocks: string; readonly weights: string }>>;
/** Made by gguf 0.19.0 (tests/golden/gguf-blocks/make-blocks.py). */
const vectors = goldenJson<Vectors>('gguf-blocks/blocks.json');
const types = Object.keys(vectors) as GgufQuantization[];

/** Blocks of a type in a file, behind other bytes, as a tensor of one row a block. */
function inFile(quantization: GgufQuantization, blocks: Uint8Array, name = quantization) {
  const { blockSize, blockBytes } = ggufQuantizationLayout(quantization);
  const path = join(folder, `${name}.blocks`);
  writeFileSync(path, Buffer.concat([Buffer.alloc(5), blocks]));
  const shape = [blocks.length / blockBytes, blockSize];
  return dequantized({
    name,
    quantization,
    shape,
    ranges: [{ path, start: 5, end: 5 + blocks.length }],
  });
}

describe.each(types)('%s', (type) => {
  const { blocks = '', weights = '' } = vectors[type] ?? {};
  const expected = Buffer.from(weights, 'base64');
  const tensor = inFile(type, Buffer.from(blocks, 'base64'));
  const { blockSize } = ggufQuantizationLayout(type);

  test('gives the weights bit for bit', () => {
    expect(tensor.dtype).toBe('float32');
    expect(Buffer.from(readTensorBytes(tensor))).toEqual(expected);
  });

  test('whatever the pieces that are read', () => {
    const view = viewOf(tensor);
    expect(Buffer.concat([...streamView(view)].map((piece) => Buffer.from(piece)))).toEqual(expected);
    for (const chunkBytes of [4, 4 * blockSize, 4 * blockSize + 20, 10_000])
      expect(Buffer.concat([...readView(view, chunkBytes)]), `${chunkBytes}`).toEqual(expected);
    const rowBytes = 4 * blockSize;
    expect(Buffer.concat([...readView(sliceRows(view, 1, 3))])).toEqual(
      expected.subarray(rowBytes, 3 * rowBytes),
    );
    const odd = Buffer.concat([...readView(everyRow(view, 2, 1))]);
    expect(odd.subarray(0, rowBytes)).toEqual(expected.subarray(rowBytes, 2 * rowBytes));
    const within = [...readRanges(view.locate(rowBytes - 6, rowBytes + 10), 100)];
    expect(Buffer.concat(within)).toEqual(expected.subarray(rowBytes - 6, rowBytes + 10));
  });

  test('a file that was cut meanwhile is named', () => {
    const cut = inFile(type, Buffer.from(blocks, 'base64'), `${type}-cut` as GgufQuantization);
    writeFileSync(join(folder, `${type}-cut.blocks`), Buffer.alloc(20));
    expect(() => readTensorBytes(cut)).toThrow(InputError);
  });
});

test('two tensors of equal shape in one file are not taken for one', () => {
  const path = join(folder, 'two.gguf');
  const bytes = (scale: number) => () => Uint8Array.from({ length: 34 }, (_, at) => (at < 2 ? scale : at));
  writeGgufFile(path, new Map(), [
    { name: 'a', quantization: 'Q8_0', shape: [1, 32], bytes: bytes(1) },
    { name: 'b', quantization: 'Q8_0', shape: [1, 32], bytes: bytes(2) },
  ]);
  const [a, b] = [...openGgufModel(path).tensors.values()].map((tensor) =>
    'quantization' in tensor ? dequantized(tensor) : tensor,
  );
  if (a === undefined || b === undefined) throw new TypeError('two tensors');
  expect(a.ranges[0]?.content).not.toBe(b.ranges[0]?.content);
  const together = [...readRanges([...a.ranges, ...b.ranges], 1000)];
  expect(Buffer.concat(together).readFloatLE(4 * 32 + 4)).toBe(2 * Buffer.concat(together).readFloatLE(4));
});

test.each(['MXFP4', 'IQ1_S', 'IQ2_XXS', 'IQ3_S', 'TQ1_0', 'Q8_K', 'NVFP4'] as const)(
  '%s is refused by its name',
  (quantization) => {
    const ranges = [{ path: 'some.gguf', start: 0, end: 1000 }];
    const read = () => dequantized({ name: 'w', quantization, shape: [1, 256], ranges });
    expect(read).toThrow(InputError);
    expect(read).toThrow(`some.gguf: tensor "w" is packed as ${quantization}`);
  },
);

const shared = fileURLToPath(new URL('../../../../shared/golden/families-gguf/', import.meta.url));
const hasShared = existsSync(shared);

test(
  'the blocks of the shared golden file, random and quantised',
  requiresShared(hasShared ? shared : undefined),
  () => {
    const expected = openSafetensorsModel(join(shared, 'blocks.safetensors')).tensors;
    const { tensors } = openGgufModel(join(shared, 'blocks.gguf'));
    expect(tensors.size).toBe(20);
    for (const [name, tensor] of tensors) {
      const entry = expected.get(name);
      if (entry === undefined) throw new TypeError(name);
      if (!('quantization' in tensor) && tensor.dtype !== 'float32') continue;
      const plain = 'quantization' in tensor ? dequantized(tensor) : tensor;
      const { file: path, byteStart: start, byteEnd: end } = entry;
      expect(plain.shape).toEqual(entry.shape);
      expect(
        Buffer.concat([...readRanges(plain.ranges, 2 ** 20)]).equals(
          Buffer.concat([...readRanges([{ path, start, end }], 2 ** 20)]),
        ),
        name,
      ).toBe(true);
    }
  },
);
