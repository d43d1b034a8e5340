/** Losses by hand: every number below is worked out from the formula of the paper. TRL's own: tests/preference-losses.reference.long.test.ts. */
import { expect, test } from 'vitest';
import { floatTensor, scope, type Tensor } from '../../tensor/index.js';
import { objectiveSchema } from './objective-config.js';
import {
  dpoLosses,
  ipoLosses,
  ktoLosses,
  oddsRatioLosses,
  rewardLosses,
  simpoLosses,
} from './preference-losses.js';

const numbers = (...values: number[]): Tensor => floatTensor(values, [values.length], { dtype: 'float64' });

/** -log sigmoid(x) */
const softplus = (x: number): number => Math.log(1 + Math.exp(-x));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

function expectClose(tensor: Tensor, expected: readonly number[]): void {
  for (const [index, value] of tensor.toArray().entries())
    expect(Math.abs(value - (expected[index] ?? Number.NaN))).toBeLessThan(1e-12);
}

/** Log ratios 1 and -1: a difference of 2. */
const pair = () => ({
  chosen: numbers(-2),
  rejected: numbers(-5),
  referenceChosen: numbers(-3),
  referenceRejected: numbers(-4),
});

test('dpo', () => {
  scope(() => {
    const plain = dpoLosses(pair(), { beta: 0.5, labelSmoothing: 0 });
    expectClose(plain.losses, [0.31326168751822286]); // -log sigmoid(1)
    expectClose(plain.chosenRewards, [0.5]);
    expectClose(plain.rejectedRewards, [-0.5]);
    // 0.9 * -log sigmoid(1) + 0.1 * -log sigmoid(-1)
    expectClose(dpoLosses(pair(), { beta: 0.5, labelSmoothing: 0.1 }).losses, [
      0.9 * softplus(1) + 0.1 * softplus(-1),
    ]);
  });
});

test('ipo: ratios by token', () => {
  scope(() => {
    const found = ipoLosses(pair(), { beta: 0.5, chosenTokens: numbers(2), rejectedTokens: numbers(4) });
    expectClose(found.losses, [0.0625]); // (1 / 2 + 1 / 4 - 1)^2
    expectClose(found.chosenRewards, [0.5]);
  });
});

test('simpo: a margin, no reference', () => {
  scope(() => {
    const means = { chosen: numbers(-1), rejected: numbers(-1.5) };
    const found = simpoLosses(means, { beta: 2, gamma: 0.5, labelSmoothing: 0 });
    expectClose(found.losses, [0.47407698418010663]); // -log sigmoid(2 * 0.5 - 0.5)
    expectClose(found.rejectedRewards, [-3]);
    const smooth = simpoLosses(means, { beta: 2, gamma: 0.5, labelSmoothing: 0.2 });
    expectClose(smooth.losses, [0.8 * softplus(0.5) + 0.2 * softplus(-0.5)]);
  });
});

test('orpo: odds of 1/2 and 1/4 are 1 and 1/3', () => {
  scope(() => {
    const means = { chosen: numbers(Math.log(0.5)), rejected: numbers(Math.log(0.25)) };
    const { losses, logOdds } = oddsRatioLosses(means, { beta: 0.1 });
    expectClose(logOdds, [Math.log(3)]);
    expectClose(losses, [-0.1 * Math.log(0.75)]);
    // An answer that is nearly certain: 1 - exp(-1e-9) without losing its digits.
    const certain = oddsRatioLosses(
      { chosen: numbers(-1e-9), rejected: numbers(Math.log(0.5)) },
      { beta: 1 },
    );
    expectClose(certain.logOdds.sub(-1e-9 - Math.log(1e-9) + 0.5e-9), [0]);
  });
});

test('kto: wanted and unwanted answers about the KL term', () => {
  scope(() => {
    const found = ktoLosses(
      {
        logProbs: numbers(-2, -5),
        reference: numbers(-3, -4),
        signs: numbers(1, -1),
        weights: numbers(2, 0.5),
      },
      { beta: 0.4, kl: 0.5 },
    );
    expectClose(found.losses, [2 * (1 - sigmoid(0.2)), 0.5 * (1 - sigmoid(0.6))]);
    expectClose(found.rewards, [0.4, -0.4]);
  });
});

test('reward: Bradley-Terry with a margin, centred', () => {
  scope(() => {
    const scores = { chosen: numbers(2), rejected: numbers(1), margin: numbers(0.5) };
    expectClose(rewardLosses(scores, undefined), [0.47407698418010663]); // -log sigmoid(0.5)
    expectClose(rewardLosses(scores, 0.01), [0.47407698418010663 + 0.09]);
  });
});

test("the section has TRL's defaults, and each loss its own keys", () => {
  expect(objectiveSchema.parse({ loss: 'dpo' })).toEqual({ loss: 'dpo', beta: 0.1, label_smoothing: 0 });
  expect(objectiveSchema.parse({ loss: 'simpo', beta: 2 })).toEqual({
    loss: 'simpo',
    beta: 2,
    simpo_gamma: 0.5,
    label_smoothing: 0,
  });
  expect(objectiveSchema.parse({ loss: 'kto' })).toMatchObject({
    desirable_weight: 1,
    undesirable_weight: 1,
  });
  const message = (value: unknown): string | undefined =>
    objectiveSchema.safeParse(value).error?.issues[0]?.message;
  expect(message({ loss: 'ipo', simpo_gamma: 1 })).toBe(
    'simpo_gamma belongs to the loss simpo; ipo reads beta',
  );
  expect(message({ loss: 'dpo', label_smoothing: 0.5 })).toContain('<0.5');
});
