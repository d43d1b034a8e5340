import { expect, test } from 'vitest';
import { goldenJson } from '../../../tests/support/golden.js';
import { RandomGenerator, randn } from '../../tensor/index.js';
import { decodeQ4_0, decodeQ8_0 } from './blocks/small-blocks.js';
import { decodeQ4_K, decodeQ6_K } from './blocks/super-blocks.js';
import { packBlocks } from './pack-blocks.js';

/** Made by gguf 0.19.0 (tests/golden/gguf-blocks/make-blocks.py): weights and their blocks. */
const { source, blocks } = goldenJson<{ source: string; blocks: string }>('gguf-blocks/q8_0.json');
const weights = Buffer.from(source, 'base64');
const expected = Buffer.from(blocks, 'base64');

test('weights are packed as llama.cpp’s package packs them, wherever the pieces end', () => {
  for (const length of [4, 12, 128, 1000, weights.length]) {
    const pieces = Array.from({ length: Math.ceil(weights.length / length) }, (_, index) =>
      weights.subarray(index * length, (index + 1) * length),
    );
    expect(Buffer.concat([...packBlocks(pieces, 'Q8_0')]), `${length}`).toEqual(expected);
  }
  expect(() => [...packBlocks([weights.subarray(0, 100)], 'Q8_0')]).toThrow(RangeError);
});

test('what is unpacked again is packed to the same blocks', () => {
  const unpacked = new Float32Array((expected.length / 34) * 32);
  decodeQ8_0(expected, expected.length / 34, unpacked);
  const again = Buffer.concat([...packBlocks([new Uint8Array(unpacked.buffer)], 'Q8_0')]);
  const twice = new Float32Array(unpacked.length);
  decodeQ8_0(again, again.length / 34, twice);
  for (const [index, value] of twice.entries())
    expect(Math.abs(value - (unpacked[index] ?? 0))).toBeLessThanOrEqual(Math.abs(value) * 1e-3);
});

test('Q4_0 as llama.cpp’s package packs it', () => {
  const made = goldenJson<{ source: string; blocks: string }>('gguf-blocks/q4_0.json');
  const packed = Buffer.concat([...packBlocks([Buffer.from(made.source, 'base64')], 'Q4_0')]);
  expect(packed).toEqual(Buffer.from(made.blocks, 'base64'));
});

test.each([
  ['Q4_0', decodeQ4_0, 18, 32, 0.012],
  ['Q4_K', decodeQ4_K, 144, 256, 0.006],
  ['Q6_K', decodeQ6_K, 210, 256, 0.0005],
  ['Q8_0', decodeQ8_0, 34, 32, 0.00006],
] as const)(
  '%s: unpacked again the weights are near; zeros and one value stay what they are',
  (kind, decode, bytes, size, bound) => {
    const values = randn([64, 256], new RandomGenerator(3)).mul(0.02).toFloat32Array();
    // A block of zeros, one of a single value, one with an outlier on either side.
    values.fill(0, 0, 256);
    values.fill(0.5, 256, 512);
    values[600] = 1;
    values[900] = -1;
    const packed = Buffer.concat([...packBlocks([new Uint8Array(values.buffer)], kind)]);
    expect(packed.length).toBe((values.length / size) * bytes);
    const unpacked = new Float32Array(values.length);
    decode(packed, values.length / size, unpacked);
    const squares = (from: number, of: (index: number) => number): number => {
      let sum = 0;
      for (let index = from; index < values.length; index++) sum += of(index) ** 2;
      return sum;
    };
    expect(unpacked.subarray(0, 256).every((value) => value === 0)).toBe(true);
    for (const value of unpacked.subarray(256, 512)) expect(Math.abs(value - 0.5)).toBeLessThan(0.5 * 2e-2);
    const error = squares(1024, (index) => (unpacked[index] ?? 0) - (values[index] ?? 0));
    expect(error / squares(1024, (index) => values[index] ?? 0)).toBeLessThan(bound);
  },
);
