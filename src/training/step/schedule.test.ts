import { expect, test } from 'vitest';
import { learningRateAt, type Schedule, scheduleOf } from './schedule.js';
import { trainingSettings } from './training-settings.js';

const schedule: Schedule = {
  kind: 'cosine',
  learningRate: 1,
  minLearningRate: 0.1,
  warmupSteps: 10,
  totalSteps: 110,
  form: 'hf',
};

test('warms up in a line, falls in a half cosine, stays at the minimum', () => {
  const at = (step: number): number => learningRateAt(step, schedule);
  expect([0, 5, 10].map(at)).toEqual([0, 0.5, 1]);
  expect(at(60)).toBeCloseTo(0.55, 12);
  expect(at(110)).toBeCloseTo(0.1, 12);
  expect(at(500)).toBeCloseTo(0.1, 12);
  for (let step = 11; step < 110; step++) expect(at(step)).toBeLessThan(at(step - 1));
});

test('without warm-up the first step has the full rate, but none in the form of Spark', () => {
  const bare = { ...schedule, warmupSteps: 0 };
  expect(learningRateAt(0, bare)).toBe(1);
  expect(learningRateAt(0, { ...bare, form: 'spark' })).toBe(0);
  expect(learningRateAt(1, { ...bare, form: 'spark' })).toBe(1);
});

test('a run that is all warm-up does not divide by 0', () => {
  expect(learningRateAt(9, { ...schedule, totalSteps: 10 })).toBe(0.9);
});

test('linear, constant, and stable with a decay at the end', () => {
  const at = (kind: Schedule['kind']) => (step: number) =>
    learningRateAt(step, { ...schedule, kind, decaySteps: 20 });
  expect([5, 10, 60, 110, 200].map(at('linear'))).toEqual([0.5, 1, 0.55, 0.1, 0.1]);
  expect([5, 10, 60, 110, 200].map(at('constant'))).toEqual([0.5, 1, 1, 1, 1]);
  expect([5, 10, 90, 100, 110, 200].map(at('wsd'))).toEqual([0.5, 1, 1, 0.55, 0.1, 0.1]);
  // Without a length of its own the decay takes a tenth of the steps.
  expect(learningRateAt(99, { ...schedule, kind: 'wsd' })).toBe(1);
  expect(learningRateAt(105, { ...schedule, kind: 'wsd' })).toBeLessThan(1);
});

test('the settings of a run as a schedule', () => {
  const settings = { steps: 100, learning_rate: 0.5, min_learning_rate: 0.1, warmup_ratio: 0.125 } as const;
  expect(scheduleOf(trainingSettings(settings), 100)).toMatchObject({
    learningRate: 0.5,
    minLearningRate: 0.1,
    warmupSteps: 13,
    totalSteps: 100,
  });
  const wsd = { steps: 100, schedule: 'wsd', decay_steps: 7, warmup_steps: 4, schedule_steps: 50 } as const;
  expect(scheduleOf(trainingSettings(wsd), 100)).toMatchObject({
    kind: 'wsd',
    warmupSteps: 4,
    totalSteps: 50,
    decaySteps: 7,
  });
});

/** By the classes of DeepSpeed 0.19 (runtime/lr_schedules.py): the rates of eleven steps. */
test.each<[string, Partial<Schedule>, number[]]>([
  [
    'WarmupLR',
    { kind: 'constant', warmupForm: 'log', warmupSteps: 4 },
    [0, 0, 0.5, 0.792481250361, 1, 1, 1, 1, 1, 1, 1],
  ],
  [
    'WarmupLR linear 0.2 to 2',
    { kind: 'constant', learningRate: 2, warmupLearningRate: 0.2, warmupSteps: 4 },
    [0.2, 0.2, 0.65, 1.1, 1.55, 2, 2, 2, 2, 2, 2],
  ],
  [
    'WarmupLR longer than the run',
    { kind: 'constant', warmupForm: 'log', warmupSteps: 1000 },
    [
      0, 0, 0.100343331888, 0.15904041824, 0.200686663776, 0.232990001445, 0.259383750128, 0.281699346671,
      0.301029995664, 0.31808083648, 0.333333333333,
    ],
  ],
  [
    'WarmupDecayLR',
    { kind: 'linear', learningRate: 0.001, warmupForm: 'log', warmupSteps: 3, totalSteps: 8 },
    [0, 0, 0.000630929753571, 0.001, 0.001, 0.0008, 0.0006, 0.0004, 0.0002, 0, 0],
  ],
  [
    'WarmupDecayLR, one step of warm-up',
    { kind: 'linear', learningRate: 0.5, warmupSteps: 1, totalSteps: 8 },
    [0, 0, 0.25, 0.5, 0.416666666667, 0.333333333333, 0.25, 0.166666666667, 0.0833333333333, 0, 0],
  ],
  [
    'WarmupCosineLR, ratios 0.1 and 0.2',
    {
      learningRate: 0.5,
      minLearningRate: 0.1,
      warmupForm: 'log',
      warmupLearningRate: 0.05,
      warmupSteps: 3,
      totalSteps: 9,
    },
    [0, 0.05, 0.333918389107, 0.5, 0.473205080757, 0.4, 0.3, 0.2, 0.126794919243, 0.1, 0.1],
  ],
  [
    'WarmupCosineLR linear',
    { learningRate: 0.5, minLearningRate: 5e-5, warmupSteps: 3, totalSteps: 9 },
    [
      0, 0, 0.166666666667, 0.333333333333, 0.466509700311, 0.3750125, 0.250025, 0.1250375, 0.033540299689,
      5e-5, 5e-5,
    ],
  ],
])('DeepSpeed: %s', (_, changes, expected) => {
  const own: Schedule = { ...schedule, minLearningRate: 0, form: 'deepspeed', ...changes };
  for (const [step, rate] of expected.entries()) expect(learningRateAt(step, own)).toBeCloseTo(rate, 10);
});
