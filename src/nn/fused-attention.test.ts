/** The causal attention kernel against the formula over all pairs of tokens in float64, forward and all gradients. */
import { describe, expect, it } from 'vitest';
import {
  cat,
  type FloatDType,
  floatTensor,
  full,
  grad,
  intTensor,
  liveTensorCount,
  noGrad,
  operator,
  RandomGenerator,
  randn,
  scope,
  setThreads,
  type Tensor,
} from '../tensor/index.js';
import { attention, documentMask } from './attention.js';
import { fusesAttention } from './fused-attention.js';

const causalAttention = operator('xinghe::causal_attention');

interface Case {
  readonly batch?: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly tokens: number;
  readonly headDim: number;
  readonly window?: number;
  /** Lengths of the documents in each row. */
  readonly documents?: readonly (readonly number[])[];
}

const cases: Record<string, Case> = {
  'one token': { heads: 2, kvHeads: 2, tokens: 1, headDim: 8 },
  'one block of 64': { heads: 2, kvHeads: 2, tokens: 64, headDim: 64 },
  'T no multiple of anything': { heads: 2, kvHeads: 2, tokens: 131, headDim: 64 },
  'a block and one token': { heads: 1, kvHeads: 1, tokens: 65, headDim: 16 },
  'head_dim 80': { heads: 2, kvHeads: 2, tokens: 70, headDim: 80 },
  'an odd head_dim': { heads: 2, kvHeads: 1, tokens: 37, headDim: 21 },
  'head_dim 128, four heads over one': { heads: 4, kvHeads: 1, tokens: 150, headDim: 128 },
  'grouped heads': { heads: 6, kvHeads: 2, tokens: 100, headDim: 32 },
  'a window': { heads: 2, kvHeads: 2, tokens: 200, headDim: 32, window: 70 },
  'a window of one token': { heads: 2, kvHeads: 2, tokens: 90, headDim: 16, window: 1 },
  'a window longer than the row': { heads: 2, kvHeads: 2, tokens: 20, headDim: 16, window: 500 },
  documents: {
    heads: 4,
    kvHeads: 2,
    tokens: 200,
    headDim: 32,
    documents: [
      [1, 1, 62, 1, 65, 70],
      [199, 1],
    ],
  },
  'documents and a window': {
    heads: 2,
    kvHeads: 2,
    tokens: 150,
    headDim: 16,
    window: 33,
    documents: [
      [100, 50],
      [3, 64, 83],
    ],
  },
};

/** As projections leave them: [B, T, H, E] in memory. */
function inputs({ batch = 2, heads, kvHeads, tokens, headDim }: Case, dtype: FloatDType): Tensor[] {
  return [heads, kvHeads, kvHeads, heads].map((count, index) =>
    randn([batch, tokens, count, headDim], new RandomGenerator(index + 1))
      .to(dtype)
      .transpose(1, 2),
  );
}

function startsOf({ documents }: Case): Tensor | undefined {
  return documents && documentMask(documents, undefined, 'cpu').starts;
}

/** softmax(q k^T / sqrt(E)) v with a number for each pair. */
function byFormula(shape: Case, q: Tensor, k: Tensor, v: Tensor): Tensor {
  const { batch = 2, heads, kvHeads, tokens, headDim, window = Number.POSITIVE_INFINITY, documents } = shape;
  const bias = Array.from({ length: batch }, (_, row) => {
    const texts = (documents?.[row] ?? [tokens]).flatMap((length, text) =>
      new Array<number>(length).fill(text),
    );
    return Array.from({ length: tokens ** 2 }, (_, index) => {
      const [i, j] = [Math.floor(index / tokens), index % tokens];
      return j <= i && j > i - window && texts[i] === texts[j] ? 0 : Number.NEGATIVE_INFINITY;
    });
  }).flat();
  const every = (x: Tensor): Tensor =>
    x
      .unsqueeze(2)
      .expand([batch, kvHeads, heads / kvHeads, tokens, headDim])
      .reshape([batch, heads, tokens, headDim]);
  const scores = q.matmul(every(k).transpose(2, 3)).mul(1 / Math.sqrt(headDim));
  return scores
    .add(floatTensor(bias, [batch, 1, tokens, tokens], { dtype: 'float64' }))
    .softmax(-1)
    .matmul(every(v));
}

/** The result and the gradients of q, k and v. */
function withGradients(all: readonly Tensor[], run: (q: Tensor, k: Tensor, v: Tensor) => Tensor): Tensor[] {
  const [q, k, v] = all.slice(0, 3).map((x) => x.detach().setRequiresGrad(true));
  const gradOut = all[3];
  if (!q || !k || !v || !gradOut) throw new Error('four tensors are needed');
  const out = run(q, k, v);
  const found = grad([out], [q, k, v], { gradOutputs: [gradOut] });
  return [out, ...found.map((each) => each ?? full([1], Number.NaN))];
}

function difference(actual: Tensor | undefined, expected: Tensor | undefined): number {
  if (actual === undefined || expected === undefined) throw new Error('a result is missing');
  expect(actual.shape).toEqual(expected.shape);
  const wide = expected.to('float64');
  // A query that sees one key has no gradient.
  return actual.to('float64').sub(wide).abs().max().item() / Math.max(1, wide.abs().max().item());
}

/** Relative to the largest element, 1 at least; bfloat16 rounds what comes out, to 8 bits. */
const tolerances = { float32: 3e-6, bfloat16: 4e-3 } as const;

describe.each(['float32', 'bfloat16'] as const)('in %s', (dtype) => {
  it.each(Object.keys(cases))('%s', (name) => {
    const shape = cases[name];
    if (shape === undefined) throw new Error(`no case ${name}`);
    scope(() => {
      const given = inputs(shape, dtype);
      const starts = startsOf(shape);
      const actual = withGradients(given, (q, k, v) => causalAttention(q, k, v, starts, shape.window ?? 0));
      const expected = withGradients(
        given.map((x) => x.to('float64')),
        (q, k, v) => byFormula(shape, q, k, v),
      );
      for (const [index, each] of actual.entries()) {
        expect(each.dtype).toBe(dtype);
        expect(difference(each, expected[index])).toBeLessThan(tolerances[dtype]);
      }
    });
  });
});

it('is what attention takes, with documents and without', () => {
  expect(fusesAttention('cpu', 'float64')).toBe(false);
  expect(fusesAttention('cuda:0', 'float32')).toBe(false);
  if (!fusesAttention('cpu', 'float32')) return;
  scope(() => {
    const shape = { heads: 2, kvHeads: 1, tokens: 50, headDim: 16 };
    const [q, k, v] = inputs(shape, 'float32');
    if (!q || !k || !v) throw new Error('no inputs');
    const documents = documentMask(
      [
        [20, 30],
        [1, 49],
      ],
      7,
      'cpu',
    );
    const mask = { window: 7, keyValid: undefined };
    const alike = (a: Tensor, b: Tensor): void => expect(a.sub(b).abs().max().item()).toBe(0);
    alike(attention(q, k, v, { ...mask, documents }), causalAttention(q, k, v, documents.starts, 7));
    alike(attention(q, k, v, { ...mask, window: undefined }), causalAttention(q, k, v, undefined, 0));
  });
});

it('gives the same bits with any number of threads and at every call', () => {
  scope(() => {
    const shape = { batch: 1, heads: 4, kvHeads: 1, tokens: 300, headDim: 32 };
    const given = inputs(shape, 'float32');
    const run = (): Tensor[] => withGradients(given, (q, k, v) => causalAttention(q, k, v, undefined, 0));
    const runs = [1, 2, 3, 2].map((threads) => {
      setThreads(threads);
      return run();
    });
    for (const other of runs.slice(1))
      for (const [index, each] of other.entries())
        expect(
          each
            .sub(runs[0]?.[index] ?? each.add(1))
            .abs()
            .max()
            .item(),
        ).toBe(0);
  });
});

it('of a row depends neither on rows beside it nor on the documents around it', () => {
  scope(() => {
    const shape = { heads: 2, kvHeads: 1, tokens: 128, headDim: 32 };
    const [q, k, v] = inputs(shape, 'float32');
    if (!q || !k || !v) throw new Error('no inputs');
    const whole = causalAttention(q, k, v, undefined, 0).narrow(0, 1, 1);
    const one = causalAttention(q.narrow(0, 1, 1), k.narrow(0, 1, 1), v.narrow(0, 1, 1), undefined, 0);
    expect(whole.sub(one).abs().max().item()).toBe(0);
    // A document hides what is not a number in another.
    const nan = full([2, 1, 64, 32], Number.NaN);
    const poisoned = cat([nan, k.narrow(2, 64, 64)], 2);
    const starts = documentMask(
      [
        [64, 64],
        [64, 64],
      ],
      undefined,
      'cpu',
    ).starts;
    const hidden = causalAttention(q, poisoned, cat([nan, v.narrow(2, 64, 64)], 2), starts, 0);
    const alone = causalAttention(
      q.narrow(2, 64, 64),
      k.narrow(2, 64, 64),
      v.narrow(2, 64, 64),
      undefined,
      0,
    );
    expect(hidden.narrow(2, 64, 64).sub(alone).abs().max().item()).toBe(0);
  });
});

it('passes on what is not a number', () => {
  scope(() => {
    const [q, k, v] = inputs({ heads: 1, kvHeads: 1, tokens: 5, headDim: 8 }, 'float32');
    if (!q || !k || !v) throw new Error('no inputs');
    const out = causalAttention(q, k.mul(Number.NaN), v, undefined, 0);
    expect(out.toArray().flat(3).every(Number.isNaN)).toBe(true);
  });
});

it('records no graph where none is wanted, and second derivatives where they are', () => {
  scope(() => {
    const [q, k, v] = inputs({ batch: 1, heads: 2, kvHeads: 1, tokens: 9, headDim: 4 }, 'float32');
    if (!q || !k || !v) throw new Error('no inputs');
    expect(causalAttention(q, k, v, undefined, 0).requiresGrad).toBe(false);
    q.setRequiresGrad(true);
    expect(noGrad(() => causalAttention(q, k, v, undefined, 0)).requiresGrad).toBe(false);
    const out = causalAttention(q, k, v, undefined, 3);
    const [first] = grad([out.mul(out).sum()], [q], { createGraph: true });
    if (!first) throw new Error('no gradient');
    const [second] = grad([first.mul(first).sum()], [q]);
    const wide = q.detach().to('float64').setRequiresGrad(true);
    const reference = byFormula(
      { batch: 1, heads: 2, kvHeads: 1, tokens: 9, headDim: 4, window: 3 },
      wide,
      k.to('float64'),
      v.to('float64'),
    );
    const [firstWide] = grad([reference.mul(reference).sum()], [wide], { createGraph: true });
    if (!firstWide) throw new Error('no gradient');
    const [secondWide] = grad([firstWide.mul(firstWide).sum()], [wide]);
    expect(difference(second ?? undefined, secondWide ?? undefined)).toBeLessThan(1e-4);
  });
});

it('refuses shapes, windows and documents that do not fit', () => {
  scope(() => {
    const [q, k, v] = inputs({ heads: 3, kvHeads: 2, tokens: 4, headDim: 8 }, 'float32');
    if (!q || !k || !v) throw new Error('no inputs');
    expect(() => causalAttention(q, k, v, undefined, 0)).toThrow(/H must be a multiple of K/);
    expect(() => causalAttention(k, k, v, undefined, -1)).toThrow(/window of -1/);
    const starts = (values: number[]): Tensor => intTensor([...values, 0, 0, 0, 0], [2, 4]);
    expect(() => causalAttention(k, k, v, starts([0, 2, 2, 2]), 0)).toThrow(/token 1 of row 0 begins at 2/);
    expect(() => causalAttention(k, k, v, starts([0, 1, 0, 1]), 0)).toThrow(/must not fall/);
    expect(() => causalAttention(k, k, v, intTensor([0], [1, 1]), 0)).toThrow(
      /starts must be int64 \[B, T\]/,
    );
  });
});

it('leaves no tensor behind', () => {
  const before = liveTensorCount();
  scope(() => {
    withGradients(inputs({ heads: 2, kvHeads: 1, tokens: 20, headDim: 8 }, 'float32'), (q, k, v) =>
      causalAttention(q, k, v, undefined, 0),
    );
  });
  expect(liveTensorCount()).toBe(before);
});
