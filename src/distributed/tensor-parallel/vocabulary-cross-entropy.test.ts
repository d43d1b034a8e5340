/** The two halves of a vocabulary, as two processes have them, against the loss of the whole. */
import { expect, test } from 'vitest';
import { weightedCrossEntropySum } from '../../nn/index.js';
import {
  cat,
  type FloatDType,
  floatTensor,
  full,
  grad,
  intTensor,
  noGrad,
  operator,
  RandomGenerator,
  randn,
  scope,
} from '../../tensor/index.js';
import { ProcessGroup } from '../process-group.js';
import { TensorGroup } from './tensor-group.js';
import { vocabularyCrossEntropySum } from './vocabulary-cross-entropy.js';

const logSums = operator('xinghe::log_sums');
const weightedTargetSum = operator('xinghe::weighted_target_sum');
const logAddExp = operator('aten::logaddexp');

const [ROWS, CLASSES, OWN] = [5, 37, 18];
const generator = new RandomGenerator(3);

test.each([
  { dtype: 'float64', within: 1e-14 },
  { dtype: 'float32', within: 1e-6 },
  // The gradient is rounded to it.
  { dtype: 'bfloat16', within: 4e-3 },
  { dtype: 'float16', within: 5e-4 },
] as const)('loss and gradient in $dtype', ({ dtype, within }) => {
  scope(() => {
    const wide: FloatDType = dtype === 'float64' ? 'float64' : 'float32';
    const targets = intTensor([0, 17, 18, 36, -100], [ROWS]);
    const weights = floatTensor([1, 0.5, 2, 1, 0], [ROWS], { dtype: wide });
    const finite = randn([ROWS - 1, CLASSES], generator)
      .mul(3)
      .to(dtype);
    // A row that is not learned is not read.
    const logits = cat([finite, full([1, CLASSES], Number.NaN, { dtype })]).setRequiresGrad(true);
    const wanted = weightedCrossEntropySum(logits, targets, weights);
    const [wantedGradient] = grad([wanted], [logits]);
    const halves = [logits.narrow(1, 0, OWN), logits.narrow(1, OWN, CLASSES - OWN)].map((half) =>
      noGrad(() => half.detach().contiguous()).setRequiresGrad(true),
    );
    const [first, second] = halves.map((half) => noGrad(() => logSums(half, weights)));
    if (first === undefined || second === undefined) throw new Error('no halves');
    const all = noGrad(() => logAddExp(first, second));
    const parts = halves.map((half, index) =>
      weightedTargetSum(half, targets.sub(index * OWN), weights, all),
    );
    const loss = noGrad(() => parts.reduce((sum, part) => sum.add(part), all.mul(weights).sum()));
    expect(Math.abs(loss.item() / wanted.item() - 1)).toBeLessThan(Math.min(within, 1e-6));
    const gradients = parts.flatMap((part, index) => grad([part], [halves[index] ?? part]));
    const joined = cat(
      gradients.flatMap((gradient) => gradient ?? []),
      1,
    );
    const difference = wantedGradient?.to('float64').sub(joined.to('float64')).abs().max().item();
    expect(difference).toBeLessThan(within);
  });
});

test('a target that is no id is refused, unless it is not learned', () => {
  scope(() => {
    const group = new TensorGroup(ProcessGroup.alone(), false);
    const logits = randn([1, 2, 4], generator);
    const weights = floatTensor([1, 0], [1, 2], { dtype: 'float32' });
    const part = { group, start: 0, vocabSize: 4 };
    for (const bad of [4, -1])
      expect(() => vocabularyCrossEntropySum(logits, intTensor([bad, 0], [1, 2]), weights, part)).toThrow(
        'no id of a vocabulary of 4',
      );
  });
});
