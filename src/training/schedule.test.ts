import { expect, test } from 'vitest';
import { type CosineSchedule, cosineLearningRate } from './schedule.js';

const schedule: CosineSchedule = {
  learningRate: 1,
  minLearningRate: 0.1,
  warmupSteps: 10,
  totalSteps: 110,
  form: 'hf',
};

test('warms up in a line, falls in a half cosine, stays at the minimum', () => {
  const at = (step: number): number => cosineLearningRate(step, schedule);
  expect([0, 5, 10].map(at)).toEqual([0, 0.5, 1]);
  expect(at(60)).toBeCloseTo(0.55, 12);
  expect(at(110)).toBeCloseTo(0.1, 12);
  expect(at(500)).toBeCloseTo(0.1, 12);
  for (let step = 11; step < 110; step++) expect(at(step)).toBeLessThan(at(step - 1));
});

test('without warm-up the first step has the full rate, but none in the form of Spark', () => {
  const bare = { ...schedule, warmupSteps: 0 };
  expect(cosineLearningRate(0, bare)).toBe(1);
  expect(cosineLearningRate(0, { ...bare, form: 'spark' })).toBe(0);
  expect(cosineLearningRate(1, { ...bare, form: 'spark' })).toBe(1);
});

test('a run that is all warm-up does not divide by 0', () => {
  expect(cosineLearningRate(9, { ...schedule, totalSteps: 10 })).toBe(0.9);
});
