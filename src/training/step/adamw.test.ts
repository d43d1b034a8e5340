/** Against the formula, written out for one number. */
import { describe, expect, test } from 'vitest';
import { floatTensor, scope, type Tensor } from '../../tensor/index.js';
import { AdamW } from './adamw.js';
import { GradientStore } from './gradient-store.js';

const hyper = { beta1: 0.9, beta2: 0.95, eps: 1e-3 };

function expected(
  form: 'torch' | 'spark' | 'uncorrected',
  start: number,
  gradients: number[],
  rate: number,
  decay: number,
) {
  let [p, m, v] = [start, 0, 0];
  for (const [index, g] of gradients.entries()) {
    const t = index + 1;
    m = hyper.beta1 * m + (1 - hyper.beta1) * g;
    v = hyper.beta2 * v + (1 - hyper.beta2) * g * g;
    const [first, second] = form === 'uncorrected' ? [1, 1] : [1 - hyper.beta1 ** t, 1 - hyper.beta2 ** t];
    p *= 1 - rate * decay;
    p -=
      form !== 'spark'
        ? (rate * (m / first)) / (Math.sqrt(v / second) + hyper.eps)
        : (((rate * Math.sqrt(second)) / first) * m) / (Math.sqrt(v) + hyper.eps);
  }
  return p;
}

describe.each(['torch', 'spark', 'uncorrected'] as const)('AdamW in the form of %s', (form) => {
  test.each([0, 0.1])('with weight decay %s', (weightDecay) => {
    const parameter = floatTensor([1.5], [1], { dtype: 'float64' });
    const gradients = [0.3, -0.002, 0.0001, 2];
    const optimizer = new AdamW([{ path: 'p', name: 'p', parameter, weightDecay }], { ...hyper, form });
    const store = new GradientStore(new Map([['p', parameter]]));
    for (const value of gradients) {
      scope(() => store.add('p', floatTensor([value], [1], { dtype: 'float64' })));
      optimizer.step(store, 0.01);
      store.clear();
    }
    expect(parameter.item()).toBeCloseTo(expected(form, 1.5, gradients, 0.01, weightDecay), 12);
    optimizer.dispose();
  });
});

test('a parameter without a gradient is not touched, not even by weight decay', () => {
  const parameters: [Tensor, Tensor] = [floatTensor([1]), floatTensor([1])];
  const optimizer = new AdamW(
    parameters.map((parameter, index) => ({
      path: `p${index}`,
      name: `p${index}`,
      parameter,
      weightDecay: 0.5,
    })),
    { ...hyper, form: 'torch' },
  );
  const store = new GradientStore(new Map(parameters.map((parameter, index) => [`p${index}`, parameter])));
  scope(() => store.add('p0', floatTensor([1])));
  optimizer.step(store, 0.1);
  expect(parameters[0].item()).toBeLessThan(1);
  expect(parameters[1].item()).toBe(1);
  optimizer.dispose();
});
