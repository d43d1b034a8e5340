import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../errors/index.js';
import { readSafetensorsHeader } from '../formats/index.js';
import { tokenLogProbs } from './log-probs.js';
import { createPenalties, SubtractivePenalty } from './penalties.js';
import { findCandidates, greedyToken, Sampler } from './sampler.js';
import type { SamplingParameters } from './sampling-parameters.js';

const golden = 'tests/golden/sampler/sampler';
const tensorsPath = `${golden}.safetensors`;
const header = readSafetensorsHeader(tensorsPath);
const bytes = readFileSync(tensorsPath);

/** The rows of a golden matrix as numbers. */
function goldenRows(name: string): number[][] {
  const entry = header.tensors.get(name);
  if (entry === undefined) throw new Error(`${tensorsPath} has no ${name}`);
  const view = new DataView(
    bytes.buffer,
    bytes.byteOffset + entry.byteStart,
    entry.byteEnd - entry.byteStart,
  );
  const read = (i: number): number => {
    if (entry.dtype === 'float64') return view.getFloat64(8 * i, true);
    return entry.dtype === 'float32' ? view.getFloat32(4 * i, true) : view.getInt32(4 * i, true);
  };
  const [rows = 0, columns = 0] = entry.shape;
  return Array.from({ length: rows }, (_, r) =>
    Array.from({ length: columns }, (_, c) => read(r * columns + c)),
  );
}

/** Probabilities of the whole vocabulary. */
function dense(row: Float32Array | Float64Array, parameters: SamplingParameters): number[] {
  const all = Array.from(row, () => 0);
  if (!parameters.temperature) {
    all[new Sampler(parameters).sample(row)] = 1;
    return all;
  }
  const { ids, weights, length, total } = findCandidates(row, parameters, parameters.temperature);
  for (let place = 0; place < length; place++) all[ids[place]!] = weights[place]! / total;
  return all;
}

function largestDifference(ours: readonly number[], theirs: readonly number[]): number {
  return ours.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (theirs[i] ?? Infinity))), 0);
}

interface GoldenCase {
  readonly logits: string;
  readonly key: string;
  readonly temperature: number;
  readonly top_k: number;
  readonly top_p: number;
  readonly support: readonly number[];
}
const { cases }: { cases: GoldenCase[] } = JSON.parse(readFileSync(`${golden}.json`, 'utf8'));

describe('golden samplers', () => {
  it.each(cases)('$key: temperature $temperature, top-k $top_k, top-p $top_p', (c) => {
    const expected = goldenRows(c.key);
    goldenRows(`${c.logits}.logits`).forEach((logits, r) => {
      const row = Float32Array.from(logits);
      const ours = dense(row, { temperature: c.temperature, topK: c.top_k, topP: c.top_p });
      // The reference divides before it subtracts the maximum, which rounds logits of 1000 at 1e-13.
      expect(largestDifference(ours, expected[r]!), `row ${r}, largest difference`).toBeLessThan(1e-13);
      expect(ours.filter((p) => p > 0).length, `row ${r}, tokens left`).toBe(c.support[r]);
    });
  });

  const prompts = goldenRows('penalty.ids');
  const penaltyLogits = goldenRows('penalty.logits');

  it.each([0.8, 1.02, 1.3])('multiplicative penalty %d', (repetitionPenalty) => {
    penaltyLogits.forEach((logits, r) => {
      const expected = goldenRows(`penalty.ctrl_${repetitionPenalty}`)[r]!;
      const ids = prompts[r]!;
      // However the ids are divided between prompt and output.
      for (const promptLength of [0, 2, ids.length]) {
        const penalties = createPenalties({ repetitionPenalty }, ids.slice(0, promptLength));
        for (const id of ids.slice(promptLength)) penalties[0]?.add(id);
        const row = Float32Array.from(logits);
        for (const penalty of penalties) penalty.apply(row);
        // One unit of the last place: the reference rounds the penalty to float32 first.
        expect(largestDifference(Array.from(row), expected), `row ${r}, largest difference`).toBeLessThan(
          1e-6,
        );
      }
    });
  });

  it('subtractive penalty 1.2, growing by 0.1: table, scores, probabilities', () => {
    penaltyLogits.forEach((logits, r) => {
      const penalty = new SubtractivePenalty(1.2, 0.1);
      for (const id of prompts[r]!) penalty.add(id);
      const table = logits.map((_, id) => penalty.subtractedFrom(id));
      expect(largestDifference(table, goldenRows('penalty.spark_table_1.2_0.1')[r]!)).toBeLessThan(2e-7);
      const row = Float32Array.from(logits);
      penalty.apply(row);
      expect(largestDifference(Array.from(row), goldenRows('penalty.spark_1.2_0.1')[r]!)).toBeLessThan(5e-7);
      const probs = dense(row, { temperature: 0.7, topK: 8, topP: 0.9 });
      const expected = goldenRows('penalty.spark_1.2_0.1.temperature0.7_topk8_topp0.9.probs')[r]!;
      expect(largestDifference(probs, expected)).toBeLessThan(2e-7);
    });
  });
});

/** The same by a full stable sort, literally as defined. Undefined where rounding decides what top-p keeps. */
function naiveProbabilities(
  row: readonly number[],
  temperature: number,
  { topK = 0, topP = 1, minP = 0 }: SamplingParameters,
): number[] | undefined {
  const softmax = (scores: readonly number[]): number[] => {
    const max = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - max));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return weights.map((weight) => weight / total);
  };
  let scores = row.map((logit) => logit / temperature);
  if (topK > 0) {
    const least = scores.toSorted((a, b) => b - a)[Math.min(topK, scores.length) - 1]!;
    scores = scores.map((score) => (score < least ? -Infinity : score));
  }
  if (topP < 1) {
    const probs = softmax(scores);
    const ascending = probs.map((_, id) => id).sort((a, b) => scores[a]! - scores[b]! || a - b);
    let cumulative = 0;
    for (const id of ascending.slice(0, -1)) {
      cumulative += probs[id]!;
      if (Math.abs(cumulative - (1 - topP)) < 1e-9) return undefined;
      if (cumulative <= 1 - topP) scores[id] = -Infinity;
    }
  }
  const probs = softmax(scores);
  const most = Math.max(...probs);
  if (probs.some((p) => Math.abs(p / most - minP) < 1e-12)) return minP > 0 ? undefined : probs;
  return softmax(scores.map((score, id) => (probs[id]! < minP * most ? -Infinity : score)));
}

describe('against a full sort', () => {
  const logit = fc.oneof(
    fc.integer({ min: -4, max: 4 }), // many ties
    // Multiples of 2^-18: logits closer than float64 can tell their exponentials apart count as equal.
    fc.integer({ min: -(2 ** 23), max: 2 ** 23 }).map((n) => n * 2 ** -18),
    fc.constant(-Infinity),
  );
  const parameters = fc.record({
    temperature: fc.double({ min: 0.05, max: 5, noNaN: true }),
    topK: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 60 })),
    topP: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
    minP: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true })),
  });

  it('keeps the same tokens with the same probabilities', () => {
    fc.assert(
      fc.property(fc.array(logit, { minLength: 1, maxLength: 80 }), parameters, (logits, p) => {
        fc.pre(logits.some((x) => x > -Infinity));
        const expected = naiveProbabilities(logits, p.temperature, p);
        fc.pre(expected !== undefined);
        const ours = dense(Float32Array.from(logits), p);
        expect(largestDifference(ours, expected)).toBeLessThan(1e-12);
        // Two roads to the k-th largest and to float64 rows.
        expect(dense(Float64Array.from(logits), p)).toEqual(ours);
        expect(greedyToken(Float64Array.from(logits))).toBe(logits.indexOf(Math.max(...logits)));
      }),
      { numRuns: 1500 },
    );
  });

  it('agrees for a large vocabulary on both sides of the heap limit of top-k', () => {
    const logits = Array.from({ length: 6000 }, (_, i) => Math.fround(3 * Math.sin(i * i)));
    for (const topK of [50, 1024, 1025, 4000]) {
      for (const topP of [0.92, 1]) {
        const expected = naiveProbabilities(logits, 0.8, { topK, topP });
        const ours = dense(Float32Array.from(logits), { temperature: 0.8, topK, topP });
        expect(largestDifference(ours, expected!), `top-k ${topK}, top-p ${topP}`).toBeLessThan(1e-14);
      }
    }
  });

  it('gives log-probabilities of the chosen and the most probable tokens', () => {
    fc.assert(
      fc.property(
        fc.array(logit, { minLength: 1, maxLength: 80 }),
        fc.nat(79),
        fc.nat(80),
        (logits, a, b) => {
          fc.pre(logits.some((x) => x > -Infinity));
          const [id, count] = [a % logits.length, Math.min(b, logits.length)];
          const max = Math.max(...logits);
          const normalizer = max + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - max), 0));
          const { chosen, top } = tokenLogProbs(Float32Array.from(logits), id, count);
          const order = logits
            .map((_, i) => i)
            .sort((i, j) => (logits[i] === logits[j] ? i - j : logits[j]! - logits[i]!));
          expect(top.map((token) => token.id)).toEqual(order.slice(0, count));
          for (const token of [chosen, ...top]) {
            const expected = logits[token.id]! - normalizer;
            if (expected === -Infinity) expect(token.logProb).toBe(-Infinity);
            else expect(token.logProb).toBeCloseTo(expected, 10);
          }
        },
      ),
    );
  });
});

describe('Sampler', () => {
  const row = Float32Array.from([1, 3, 2, 3, -Infinity]);

  it('is greedy without a temperature and takes the first of equals', () => {
    expect(new Sampler({}).sample(row)).toBe(1);
    expect(new Sampler({ temperature: 0, topK: 3 }).sample(row)).toBe(1);
  });

  it('draws the same for the same seed, whoever draws between', () => {
    const draw = (sampler: Sampler): number[] => Array.from({ length: 50 }, () => sampler.sample(row));
    const alone = draw(new Sampler({ temperature: 1, seed: 7 }));
    const [a, b] = [
      new Sampler({ temperature: 1, seed: 7 }),
      new Sampler({ temperature: 1, topP: 0.5, seed: 8 }),
    ];
    const interleaved = Array.from({ length: 50 }, () => [a.sample(row), b.sample(row)][0]);
    expect(interleaved).toEqual(alone);
    expect(draw(new Sampler({ temperature: 1, seed: 7 }, 1))).not.toEqual(alone);
    expect(draw(new Sampler({ temperature: 1, seed: 9 }))).not.toEqual(alone);
  });

  it('draws tokens as often as they are probable', () => {
    const expected = dense(row, { temperature: 1.3 });
    const sampler = new Sampler({ temperature: 1.3, seed: 1 });
    const draws = 20_000;
    const counts = expected.map(() => 0);
    for (let i = 0; i < draws; i++) counts[sampler.sample(row)]! += 1;
    counts.forEach((count, id) => {
      const p = expected[id]!;
      const deviations = p === 0 ? count : Math.abs(count - draws * p) / Math.sqrt(draws * p * (1 - p));
      expect(deviations, `token ${id}: ${count} of ${draws}, expected ${draws * p}`).toBeLessThan(4);
    });
  });

  it('survives extreme temperatures and logits', () => {
    const huge = Float32Array.from([3e38, -3e38, 0]);
    for (const temperature of [5e-324, 1e-9, 1e20, 1e308]) {
      expect(
        dense(huge, { temperature, topP: 0.999 }).reduce((sum, p) => sum + p, 0),
        `temperature ${temperature}`,
      ).toBeCloseTo(1, 12);
    }
  });

  it.each([
    [[0, Number.NaN, 1], 'NaN at token 1'],
    [[0, 1, 2, 3, 4, 5, 6, Number.NaN], 'NaN at token 7'],
    [[0, Infinity], 'infinite at token 1'],
    [[-Infinity, -Infinity], 'all are -Infinity'],
  ])('refuses the row %j', (logits, message) => {
    for (const temperature of [0, 1]) {
      expect(() => new Sampler({ temperature }).sample(Float32Array.from(logits))).toThrow(message);
    }
  });

  it.each<[string, SamplingParameters]>([
    ['temperature is -1', { temperature: -1 }],
    ['temperature is NaN', { temperature: Number.NaN }],
    ['topK is 2.5', { topK: 2.5 }],
    ['topP is 1.1', { topP: 1.1 }],
    ['minP is -0.1', { minP: -0.1 }],
    ['repetitionPenalty is 0', { repetitionPenalty: 0 }],
    ['seed is 1152921504606847000', { seed: 2 ** 60 }],
    ['seed is 18446744073709551616', { seed: 2n ** 64n }],
    ['logitBias names token -1', { logitBias: new Map([[-1, 1]]) }],
    ['logitBias of token 3 is Infinity', { logitBias: new Map([[3, Infinity]]) }],
  ])('refuses: %s', (message, parameters) => {
    const create = (): unknown => new Sampler(parameters);
    expect(create).toThrow(InputError);
    expect(create).toThrow(message);
  });
});
