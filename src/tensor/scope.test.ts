import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { floatTensor, full, liveTensorCount, noGrad, scope, type Tensor } from './index.js';

const make = (): Tensor => floatTensor([1, 2]);

describe('scope', () => {
  it('frees what is made inside and passes on what is returned', () => {
    const before = liveTensorCount();
    let inner: Tensor | undefined;
    const kept = scope(() => {
      inner = make();
      return make().add(1);
    });
    expect(inner?.isDisposed).toBe(true);
    expect(kept.toArray()).toEqual([2, 3]);
    kept.dispose();
    expect(liveTensorCount()).toBe(before);
  });

  it('finds returned tensors in arrays, objects and maps', () => {
    const before = liveTensorCount();
    const { list, map } = scope(() => ({ list: [make(), [make()]] as const, map: new Map([['a', make()]]) }));
    expect(liveTensorCount()).toBe(before + 3);
    for (const tensor of [list[0], list[1][0], map.get('a')]) tensor?.dispose();
    expect(liveTensorCount()).toBe(before);
  });

  it('nested: a returned tensor belongs to the scope around', () => {
    const before = liveTensorCount();
    scope(() => {
      const passed = scope(() => scope(make));
      expect(passed.isDisposed).toBe(false);
      expect(liveTensorCount()).toBe(before + 1);
    });
    expect(liveTensorCount()).toBe(before);
  });

  it('frees everything when the body throws, and the outer scope goes on', () => {
    const before = liveTensorCount();
    scope(() => {
      expect(() =>
        scope(() => {
          make();
          throw new Error('stop');
        }),
      ).toThrow('stop');
      expect(liveTensorCount()).toBe(before);
      make();
    });
    expect(liveTensorCount()).toBe(before);
  });

  it('a failing operator leaves nothing behind', () => {
    const before = liveTensorCount();
    scope(() => expect(() => make().matmul(full([3, 3], 1))).toThrow());
    expect(liveTensorCount()).toBe(before);
  });

  it('keep() takes a tensor out; dispose() twice is nothing', () => {
    const before = liveTensorCount();
    const kept = scope(() => {
      const tensor = make().keep();
      expect(tensor.keep()).toBe(tensor);
      return [tensor];
    });
    const [tensor] = kept;
    expect(liveTensorCount()).toBe(before + 1);
    tensor?.dispose();
    tensor?.dispose();
    expect(liveTensorCount()).toBe(before);
  });

  it('a tensor disposed inside is not freed again', () => {
    const before = liveTensorCount();
    scope(() => {
      make().dispose();
      make();
    });
    expect(liveTensorCount()).toBe(before);
  });

  it('refuses a promise', () => {
    expect(() => scope(async () => make())).toThrow(/must be synchronous/);
  });

  it('many thousands of tensors in one scope, and a flat count over many scopes', () => {
    const before = liveTensorCount();
    scope(() => {
      for (let i = 0; i < 20_000; i++) make();
    });
    expect(liveTensorCount()).toBe(before);
    for (let i = 0; i < 300; i++)
      scope(() => {
        const x = make().setRequiresGrad(true);
        x.mul(2).sum().backward();
        x.grad?.toArray();
        noGrad(() => x.add_(1));
      });
    expect(liveTensorCount()).toBe(before);
  });
});

describe('the garbage collector', () => {
  it('frees forgotten tensors in the end, kept ones too, and never one that is in use', async () => {
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    const before = liveTensorCount();
    const held = make();
    (() => {
      for (let i = 0; i < 100; i++) make();
      scope(() => {
        for (let i = 0; i < 100; i++) make().keep();
      });
    })();
    expect(liveTensorCount()).toBe(before + 201);
    // The last object of a loop may stay reachable from the stack.
    for (let i = 0; i < 100 && liveTensorCount() > before + 5; i++) {
      collect();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(liveTensorCount()).toBeLessThanOrEqual(before + 5);
    expect(held.toArray()).toEqual([1, 2]);
    held.dispose();
  });
});
