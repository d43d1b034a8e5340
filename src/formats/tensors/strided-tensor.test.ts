import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { readTensorChunks } from './file-tensor.js';
import { gatherStrided } from './strided-tensor.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-strides-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Element by element, as the strides say. */
function expected(span: Uint8Array, shape: readonly number[], strides: readonly number[], width: number) {
  let starts = [0];
  for (const [dim, size] of shape.entries())
    starts = starts.flatMap((start) =>
      Array.from({ length: size }, (_, index) => start + index * (strides[dim] ?? 0)),
    );
  return Buffer.concat(starts.map((start) => span.subarray(start * width, (start + 1) * width)));
}

const dimension = fc.record({
  size: fc.integer({ min: 0, max: 9 }),
  stride: fc.integer({ min: 0, max: 12 }),
});

test('any shape and strides, elements of 1 to 8 bytes, any size of pieces, several ranges', () => {
  const path = join(folder, 'span');
  const cases = fc.record({
    dimensions: fc.array(dimension, { maxLength: 4 }),
    width: fc.constantFrom(1, 2, 4, 8),
    chunkBytes: fc.integer({ min: 8, max: 500 }),
    cutAt: fc.nat(40),
  });
  fc.assert(
    fc.property(cases, ({ dimensions, width, chunkBytes, cutAt }) => {
      const shape = dimensions.map(({ size }) => size);
      const strides = dimensions.map(({ stride }) => stride);
      const elements = dimensions.reduce((sum, { size, stride }) => sum + Math.max(0, size - 1) * stride, 1);
      const span = Buffer.from(Array.from({ length: elements * width }, (_, index) => (index * 7) % 251));
      writeFileSync(path, Buffer.concat([Buffer.from('head'), span]));
      const middle = 4 + Math.min(cutAt, span.length);
      const ranges = [
        { path, start: 4, end: middle },
        { path, start: middle, end: 4 + span.length },
      ];
      const pieces = [...gatherStrided(ranges, shape, strides, width, chunkBytes)];
      expect(pieces.every(({ length }) => length > 0 && length <= chunkBytes)).toBe(true);
      expect(Buffer.concat(pieces).toString('hex')).toBe(
        expected(span, shape, strides, width).toString('hex'),
      );
    }),
    { numRuns: 500 },
  );
});

test('a transposed matrix of 64 MB word by word', () => {
  const path = join(folder, 'big');
  writeFileSync(path, Buffer.alloc(2 ** 26, 5));
  const size = 4096;
  const tensor = {
    name: 't',
    dtype: 'float32',
    shape: [size, size],
    strides: [1, size],
    ranges: [{ path, start: 0, end: 2 ** 26 }],
  } as const;
  const started = performance.now();
  let bytes = 0;
  for (const piece of readTensorChunks(tensor)) bytes += piece.length;
  expect(bytes).toBe(2 ** 26);
  // 0.4 s on two cores.
  expect(performance.now() - started).toBeLessThan(2000);
});
