import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import { full, isInvariantLinear, keepFreedMemory, returnFreedMemory, type Tensor } from './index.js';

afterEach(() => returnFreedMemory());

const MEBIBYTE = 2 ** 20;

/** Numbers that look random and are the same in every run. */
function numbers(): () => number {
  let state = 12345;
  return () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

describe('keepFreedMemory', () => {
  it('keeps every value where blocks are split, moved and used again', () => {
    keepFreedMemory();
    const next = numbers();
    const live: { tensor: Tensor; value: number; count: number }[] = [];
    const check = ({ tensor, value, count }: (typeof live)[number]): void => {
      expect(tensor.numElements).toBe(count);
      expect(tensor.sub(value).abs().max().item()).toBe(0);
      tensor.dispose();
    };
    for (let round = 0; round < 600; round++) {
      const count = 1 + Math.floor(next() ** 3 * 2e6);
      live.push({ tensor: full([count], round).keep(), value: round, count });
      while (live.length > 0 && (live.length > 24 || next() < 0.4)) {
        const [chosen] = live.splice(Math.floor(next() * live.length), 1);
        if (chosen !== undefined) check(chosen);
      }
      // Tensors of one regime are freed in the other.
      if (round === 400) returnFreedMemory();
      if (round === 500) keepFreedMemory();
    }
    for (const chosen of live) check(chosen);
  });

  it('keeps its bound after an allocation that the system refused', () => {
    keepFreedMemory();
    const start = process.memoryUsage.rss();
    // More than any address space has.
    expect(() => full([2 ** 46], 1)).toThrow(/memory/);
    for (const pieces of [64, 13, 5, 37, 3, 21, 1, 50]) {
      const size = Math.floor((64 * MEBIBYTE) / pieces / 4);
      const made = Array.from({ length: pieces }, () => full([size], 1).keep());
      for (const tensor of made) tensor.dispose();
    }
    expect((process.memoryUsage.rss() - start) / MEBIBYTE).toBeLessThan(64 + 16);
  });

  it('is a wish of each thread: one that ends leaves it to the others', async () => {
    keepFreedMemory();
    const start = process.memoryUsage.rss();
    const index = new URL('../../dist/tensor/index.js', import.meta.url).href;
    const program = `import('${index}').then(({ keepFreedMemory, returnFreedMemory, full, setInvariantLinear }) => {
      keepFreedMemory();
      setInvariantLinear(true);
      full([1000000], 1).dispose();
      if (process.argv.length > 99) returnFreedMemory();
    });`;
    const worker = new Worker(program, { eval: true });
    await new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject));
    expect(isInvariantLinear()).toBe(false);
    full([(32 * MEBIBYTE) / 4], 1).dispose();
    // Kept, though the other thread and its wish are gone.
    expect((process.memoryUsage.rss() - start) / MEBIBYTE).toBeGreaterThan(28);
  });

  it('holds no more than the fullest moment, whatever the sizes', () => {
    keepFreedMemory();
    const start = process.memoryUsage.rss();
    // 64 MiB at every moment, in pieces of ever other sizes.
    for (const pieces of [64, 13, 5, 37, 3, 21, 1, 50]) {
      const size = Math.floor((64 * MEBIBYTE) / pieces / 4);
      const made = Array.from({ length: pieces }, () => full([size], 1).keep());
      for (const tensor of made) tensor.dispose();
    }
    expect((process.memoryUsage.rss() - start) / MEBIBYTE).toBeLessThan(64 + 16);
    returnFreedMemory();
    expect((process.memoryUsage.rss() - start) / MEBIBYTE).toBeLessThan(16);
  });
});
