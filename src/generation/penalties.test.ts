import { expect, it } from 'vitest';
import { createPenalties } from './penalties.js';
import type { SamplingParameters } from './sampling-parameters.js';

/** A row of ones after the penalties for a prompt [0] and the output [1, 2, 2]. */
function penalized(parameters: SamplingParameters): number[] {
  const row = Float64Array.of(1, 1, 1, 1);
  for (const penalty of createPenalties(parameters, [0])) {
    for (const id of [1, 2, 2]) penalty.add(id);
    penalty.apply(row);
  }
  return Array.from(row);
}

it('counts prompt and output for the multiplicative, the output alone for the other penalties', () => {
  expect(penalized({ repetitionPenalty: 2 })).toEqual([0.5, 0.5, 0.5, 1]);
  expect(penalized({ repetitionPenalty: 2, repetitionPenaltyKind: 'subtractive' })).toEqual([1, -1, -1.1, 1]);
  expect(penalized({ presencePenalty: 0.5 })).toEqual([1, 0.5, 0.5, 1]);
  expect(penalized({ frequencyPenalty: 0.5 })).toEqual([1, 0.5, 0, 1]);
  expect(penalized({ frequencyPenalty: 0.5, presencePenalty: -0.25 })).toEqual([1, 0.75, 0.25, 1]);
  expect(penalized({ logitBias: new Map([[3, -Infinity]]) })).toEqual([1, 1, 1, -Infinity]);
});

it('makes none where nothing is asked for', () => {
  expect(createPenalties({ repetitionPenalty: 1, presencePenalty: 0, logitBias: new Map() }, [0])).toEqual(
    [],
  );
});

it('refuses a bias outside the vocabulary', () => {
  expect(() => penalized({ logitBias: new Map([[4, 1]]) })).toThrow('token 4; the vocabulary has ids 0 to 3');
});
