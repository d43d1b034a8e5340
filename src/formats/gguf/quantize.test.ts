import { expect, test } from 'vitest';
import { goldenJson } from '../../../tests/support/golden.js';
import { decodeQ8_0 } from './blocks/small-blocks.js';
import { packQ8_0 } from './quantize.js';

/** Made by gguf 0.19.0 (tests/golden/gguf-blocks/make-blocks.py): weights and their blocks. */
const { source, blocks } = goldenJson<{ source: string; blocks: string }>('gguf-blocks/q8_0.json');
const weights = Buffer.from(source, 'base64');
const expected = Buffer.from(blocks, 'base64');

test('weights are packed as llama.cpp’s package packs them, wherever the pieces end', () => {
  for (const length of [4, 12, 128, 1000, weights.length]) {
    const pieces = Array.from({ length: Math.ceil(weights.length / length) }, (_, index) =>
      weights.subarray(index * length, (index + 1) * length),
    );
    expect(Buffer.concat([...packQ8_0(pieces)]), `${length}`).toEqual(expected);
  }
  expect(() => [...packQ8_0([weights.subarray(0, 100)])]).toThrow(RangeError);
});

test('what is unpacked again is packed to the same blocks', () => {
  const unpacked = new Float32Array((expected.length / 34) * 32);
  decodeQ8_0(expected, expected.length / 34, unpacked);
  const again = Buffer.concat([...packQ8_0([new Uint8Array(unpacked.buffer)])]);
  const twice = new Float32Array(unpacked.length);
  decodeQ8_0(again, again.length / 34, twice);
  for (const [index, value] of twice.entries())
    expect(Math.abs(value - (unpacked[index] ?? 0))).toBeLessThanOrEqual(Math.abs(value) * 1e-3);
});
