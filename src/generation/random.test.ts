import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../errors/index.js';
import { philox4x32, Random } from './random.js';

type Words<T> = readonly [T, T, T, T];

/** The same ten rounds in 64-bit integers, from the paper. */
function philoxReference(counter: Words<number>, key: readonly [number, number]): number[] {
  let [c0, c1, c2, c3] = [BigInt(counter[0]), BigInt(counter[1]), BigInt(counter[2]), BigInt(counter[3])];
  let [k0, k1] = [BigInt(key[0]), BigInt(key[1])];
  const word = 0xffffffffn;
  for (let round = 0; round < 10; round++) {
    const [p0, p1] = [0xd2511f53n * c0, 0xcd9e8d57n * c2];
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & word, (p0 >> 32n) ^ c3 ^ k1, p0 & word];
    [k0, k1] = [(k0 + 0x9e3779b9n) & word, (k1 + 0xbb67ae85n) & word];
  }
  return [c0, c1, c2, c3].map(Number);
}

function philox(counter: Words<number>, key: readonly [number, number]): number[] {
  const words = Uint32Array.from(counter);
  philox4x32(words, ...key);
  return Array.from(words);
}

describe('philox4x32', () => {
  it('gives the published known answers', () => {
    const ones = 0xffffffff;
    expect(philox([0, 0, 0, 0], [0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
    expect(philox([ones, ones, ones, ones], [ones, ones])).toEqual([
      0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd,
    ]);
    expect(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])).toEqual([
      0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1,
    ]);
  });

  it('equals 64-bit arithmetic', () => {
    const word = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(fc.tuple(word, word, word, word), fc.tuple(word, word), (counter, key) => {
        expect(philox(counter, key)).toEqual(philoxReference(counter, key));
      }),
    );
  });
});

describe('Random', () => {
  it('is uniform in [0, 1): mean, variance and every sixteenth', () => {
    const random = new Random(42);
    const numbers = Array.from({ length: 32_000 }, () => random.uniform());
    const mean = numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
    const variance = numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / numbers.length;
    expect(Math.abs(mean - 1 / 2)).toBeLessThan(0.006);
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(0.002);
    const bins = Array.from({ length: 16 }, () => 0);
    for (const x of numbers) bins[Math.floor(x * 16)]! += 1;
    const chiSquare = bins.reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0);
    expect(chiSquare).toBeLessThan(37.7); // p = 0.001 with 15 degrees of freedom
  });

  it('continues from its state, by way of JSON, wherever it stopped', () => {
    for (const drawn of [0, 1, 2, 7]) {
      const random = new Random(-(2n ** 40n), 3);
      for (let i = 0; i < drawn; i++) random.uniform();
      const resumed = Random.fromState(JSON.parse(JSON.stringify(random.state())));
      for (let i = 0; i < 5; i++) expect(resumed.uniform()).toBe(random.uniform());
    }
  });

  it('uses all bits of the seed, the stream and the count of draws', () => {
    const first = (...args: ConstructorParameters<typeof Random>): number => new Random(...args).uniform();
    const numbers = [first(1), first(1n + 2n ** 32n), first(1, 1), first(1, 0, 2), first(1, 0, 2 ** 34)];
    expect(new Set(numbers).size).toBe(5);
    expect(first(-1)).toBe(first(2n ** 64n - 1n));
    expect(first(1, 0, 1)).not.toBe(first(1));
  });

  it.each([
    { seed: '-1', stream: 0, draws: 0 },
    { seed: '99999999999999999999', stream: 0, draws: 0 },
    { seed: '1', stream: -1, draws: 0 },
    { seed: '1', stream: 0, draws: 0.5 },
  ])('refuses the state %j', (state) => {
    expect(() => Random.fromState(state)).toThrow(InputError);
  });
});
