import { describe, expect, it } from 'vitest';
import { generatorState, RandomGenerator, rand, randn, restoreGenerator, scope } from './index.js';

describe('Generator', () => {
  it('the same seed gives the same numbers, another seed others', () =>
    scope(() => {
      const draw = (seed: number) => randn([100], new RandomGenerator(seed));
      expect(draw(7).equals(draw(7))).toBe(true);
      expect(draw(7).equals(draw(8))).toBe(false);
      expect(draw(2 ** 53 - 1).shape).toEqual([100]);
    }));

  it('goes on from a saved state', () =>
    scope(() => {
      const generator = new RandomGenerator(1);
      randn([33], generator);
      const state = generatorState(generator);
      expect(state.dtype).toBe('uint8');
      const first = rand([50], generator);
      restoreGenerator(generator, state);
      expect(rand([50], generator).equals(first)).toBe(true);
      const other = new RandomGenerator(99);
      restoreGenerator(other, state);
      expect(rand([50], other).equals(first)).toBe(true);
    }));

  it('draws from the ranges that are asked for', () =>
    scope(() => {
      const generator = new RandomGenerator(5);
      const uniform = rand([2000], generator, { low: -2, high: 3 });
      expect(uniform.min().item()).toBeGreaterThanOrEqual(-2);
      expect(uniform.max().item()).toBeLessThan(3);
      const normal = randn([20_000], generator, { mean: 4, std: 0.5, dtype: 'float64' });
      expect(normal.mean().item()).toBeCloseTo(4, 1);
    }));

  it('refuses a fraction as a seed, a strange device, a foreign state, and use after dispose', () =>
    scope(() => {
      expect(() => new RandomGenerator(0.5)).toThrow(/integer/);
      expect(() => new RandomGenerator(0, 'moon')).toThrow();
      const generator = new RandomGenerator(0);
      expect(() => restoreGenerator(generator, rand([3], generator))).toThrow();
      generator.dispose();
      generator.dispose();
      expect(() => rand([1], generator)).toThrow(/aten::uniform_: argument 4 \(generator\): .*disposed/);
    }));
});
