import { describe, expect, it } from 'vitest';
import { enableGrad, floatTensor, full, grad, noGrad, scope } from './index.js';

describe('autograd', () => {
  it('backward adds to the gradient of every leaf', () =>
    scope(() => {
      const x = floatTensor([1, 2, 3]).setRequiresGrad(true);
      const loss = x.mul(x).sum();
      loss.backward(undefined, { retainGraph: true });
      expect(x.grad?.toArray()).toEqual([2, 4, 6]);
      loss.backward();
      expect(x.grad?.toArray()).toEqual([4, 8, 12]);
      x.grad = null;
      expect(x.grad).toBeNull();
      x.grad = full([3], 7);
      expect(x.grad?.toArray()).toEqual([7, 7, 7]);
      expect(() => loss.backward()).toThrow(/second time/);
    }));

  it('grad with gradOutputs, and null for an input without a part', () =>
    scope(() => {
      const x = floatTensor([1, 2]).setRequiresGrad(true);
      const unused = floatTensor([1]).setRequiresGrad(true);
      const [dx, none] = grad([x.mul(3)], [x, unused], { gradOutputs: [floatTensor([10, 100])] });
      expect(dx?.toArray()).toEqual([30, 300]);
      expect(none).toBeNull();
      expect(x.grad).toBeNull();
    }));

  it('the gradient by an inner tensor, from several outputs', () =>
    scope(() => {
      const x = floatTensor([2]).setRequiresGrad(true);
      const h = x.mul(3);
      const [dh, dx] = grad([h.mul(h).sum(), h.sum()], [h, x]);
      expect([dh?.item(), dx?.item()]).toEqual([13, 39]);
    }));

  it('a second derivative by createGraph', () =>
    scope(() => {
      const x = floatTensor([2]).setRequiresGrad(true);
      const [first] = grad([x.pow(3).sum()], [x], { createGraph: true });
      expect(first?.item()).toBe(12);
      const [second] = first === undefined || first === null ? [null] : grad([first.sum()], [x]);
      expect(second?.item()).toBe(12);
    }));

  it('noGrad, enableGrad inside it, detach; the switch is restored after an exception', () =>
    scope(() => {
      const x = floatTensor([2]).setRequiresGrad(true);
      expect(noGrad(() => x.mul(2)).requiresGrad).toBe(false);
      expect(noGrad(() => enableGrad(() => x.mul(2))).requiresGrad).toBe(true);
      expect(() =>
        noGrad(() => {
          throw new Error('stop');
        }),
      ).toThrow('stop');
      expect(x.mul(2).requiresGrad).toBe(true);
      const detached = x.detach();
      expect(detached.requiresGrad).toBe(false);
      expect(detached.storageAddress).toBe(x.storageAddress);
    }));

  it('says what is wrong', () =>
    scope(() => {
      const x = floatTensor([1, 2]).setRequiresGrad(true);
      expect(() => x.mul(2).backward()).toThrow(/scalar outputs/);
      expect(() => floatTensor([1]).backward()).toThrow(/does not require grad/);
      expect(() => x.mul(2).setRequiresGrad(false)).toThrow(/leaf/);
    }));
});
