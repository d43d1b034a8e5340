/** Attention whose query heads share keys and values, against the same with every head's own copy of them. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type FloatDType,
  floatTensor,
  grad,
  intTensor,
  noGrad,
  RandomGenerator,
  randn,
  scope,
  type Tensor,
} from '../tensor/index.js';
import { type AttentionMask, attention, documentMask } from './attention.js';
import { groupedAttention } from './grouped-attention.js';

const [BATCH, TOKENS] = [2, 23];

interface Shape {
  readonly kvHeads: number;
  readonly group: number;
  readonly headDim: number;
}

/** As projections leave them: [B, T, H, E] in memory. */
function qkv(
  { kvHeads, group, headDim }: Shape,
  dtype: FloatDType,
  tokens = TOKENS,
): [Tensor, Tensor, Tensor] {
  const random = (heads: number, seed: number): Tensor =>
    randn([BATCH, tokens, heads, headDim], new RandomGenerator(seed)).to(dtype).transpose(1, 2);
  return [random(kvHeads * group, 1), random(kvHeads, 2), random(kvHeads, 3)];
}

/** A copy for each query head, in order: head h is that of floor(h / G). */
function repeated(x: Tensor, group: number): Tensor {
  const [batch, kvHeads, tokens, headDim] = [x.size(0), x.size(1), x.size(2), x.size(3)];
  return x
    .unsqueeze(2)
    .expand([batch, kvHeads, group, tokens, headDim])
    .reshape([batch, kvHeads * group, tokens, headDim]);
}

/** softmax(q k^T / sqrt(E)) v with a number for each pair, keys and values repeated. */
function byFormula(
  [q, k, v]: readonly [Tensor, Tensor, Tensor],
  sees: (row: number, i: number, j: number) => boolean,
): Tensor {
  const tokens = q.size(2);
  const bias = Array.from({ length: BATCH * tokens * tokens }, (_, index) => {
    const [row, i, j] = [
      Math.floor(index / tokens ** 2),
      Math.floor(index / tokens) % tokens,
      index % tokens,
    ];
    return sees(row, i, j) ? 0 : Number.NEGATIVE_INFINITY;
  });
  const group = q.size(1) / k.size(1);
  const scores = q
    .matmul(repeated(k, group).transpose(2, 3))
    .mul(1 / Math.sqrt(q.size(3)))
    .add(floatTensor(bias, [BATCH, 1, tokens, tokens], { dtype: 'float64' }));
  return scores.softmax(-1).matmul(repeated(v, group));
}

/** What `compute` gives, and its gradients by the three inputs. */
function withGradients(
  inputs: readonly [Tensor, Tensor, Tensor],
  compute: (q: Tensor, k: Tensor, v: Tensor) => Tensor,
): Tensor[] {
  const [q, k, v] = inputs.map((x) => x.detach().setRequiresGrad(true));
  if (q === undefined || k === undefined || v === undefined) throw new Error('three inputs');
  const result = compute(q, k, v);
  const upstream = randn([...result.shape], new RandomGenerator(4)).to(result.dtype);
  const gradients = grad([result], [q, k, v], { gradOutputs: [upstream] });
  return [result.detach(), ...gradients.map((x) => x ?? floatTensor([]))];
}

/** The largest difference to float64, of the largest element. */
function difference(actual: Tensor, expected: Tensor): number {
  expect(actual.shape).toEqual(expected.shape);
  return actual.to('float64').sub(expected).abs().max().item() / expected.abs().max().item();
}

const isPadded = (row: number, token: number): boolean => (row === 0 ? token < 9 : token > 4 && token < 14);
const keyValid = (): Tensor =>
  intTensor(
    Array.from({ length: BATCH * TOKENS }, (_, index) =>
      isPadded(Math.floor(index / TOKENS), index % TOKENS) ? 0 : 1,
    ),
    [BATCH, TOKENS],
  ).ne(0);

const lengths = [
  [3, 20],
  [16, 7],
];
const documentOf = (row: number, token: number): number => (token < (lengths[row]?.[0] ?? 0) ? 0 : 1);

/** Each mask that attention takes, and which pairs it leaves. */
const masks: Record<
  string,
  {
    readonly mask: () => AttentionMask;
    readonly sees: (row: number, i: number, j: number) => boolean;
    readonly sliceLength?: number;
  }
> = {
  causal: { mask: () => ({ window: undefined, keyValid: undefined }), sees: (_, i, j) => j <= i },
  windowed: {
    mask: () => ({ window: 5, keyValid: undefined }),
    sees: (_, i, j) => j <= i && j > i - 5,
  },
  'windowed, in slices': {
    mask: () => ({ window: 5, keyValid: undefined }),
    sees: (_, i, j) => j <= i && j > i - 5,
    sliceLength: 7,
  },
  padded: {
    mask: () => ({ window: undefined, keyValid: keyValid() }),
    sees: (row, i, j) => i === j || (j <= i && !isPadded(row, j)),
  },
  'padded and windowed, in slices': {
    mask: () => ({ window: 11, keyValid: keyValid() }),
    sees: (row, i, j) => i === j || (j <= i && j > i - 11 && !isPadded(row, j)),
    sliceLength: 4,
  },
  'packed, by a mask': {
    mask: () => ({
      window: undefined,
      keyValid: undefined,
      documents: documentMask(lengths, undefined, 'cpu'),
    }),
    sees: (row, i, j) => j <= i && documentOf(row, i) === documentOf(row, j),
  },
  'packed, document by document': {
    mask: () => ({
      window: 6,
      keyValid: undefined,
      documents: { ...documentMask(lengths, 6, 'cpu'), visible: undefined },
    }),
    sees: (row, i, j) => j <= i && j > i - 6 && documentOf(row, i) === documentOf(row, j),
    sliceLength: 9,
  },
};

const shapes: readonly Shape[] = [
  { kvHeads: 3, group: 1, headDim: 16 },
  { kvHeads: 2, group: 2, headDim: 64 },
  { kvHeads: 1, group: 3, headDim: 80 },
  { kvHeads: 3, group: 4, headDim: 22 },
  { kvHeads: 2, group: 8, headDim: 128 },
  { kvHeads: 1, group: 6, headDim: 100 },
];

// Of the largest element. Narrow types: two units in the last place for results, whose weights are rounded, too; four for
// gradients, which add rounded numbers.
const tolerances: Record<FloatDType, readonly [result: number, gradient: number]> = {
  float64: [1e-13, 1e-12],
  float32: [2e-6, 5e-6],
  bfloat16: [2 ** -7, 2 ** -6],
  float16: [2 ** -10, 2 ** -9],
};
const dtypes = ['float64', 'float32', 'bfloat16', 'float16'] as const;

describe.each(shapes)('$kvHeads heads of keys for $group each, head_dim $headDim', (shape) => {
  it.each(Object.keys(masks))('%s', (name) => {
    const tested = masks[name];
    if (tested === undefined) throw new Error(name);
    const { mask, sees, sliceLength } = tested;
    scope(() => {
      for (const dtype of dtypes) {
        const inputs = qkv(shape, dtype);
        const options = sliceLength === undefined ? {} : { sliceLength };
        const actual = withGradients(inputs, (q, k, v) => attention(q, k, v, mask(), options));
        const [q, k, v] = inputs;
        const wide = [q.to('float64'), k.to('float64'), v.to('float64')] as const;
        const expected = withGradients(wide, (...all) => byFormula(all, sees));
        const [result, gradient] = tolerances[dtype];
        for (const [index, part] of ['result', 'gradient by q', 'by k', 'by v'].entries())
          expect(
            difference(actual[index] ?? floatTensor([]), expected[index] ?? floatTensor([])),
            `${dtype}: ${part}`,
          ).toBeLessThan(index === 0 ? result : gradient);
        const plain = noGrad(() => attention(...inputs, mask(), options));
        expect(plain.equals(actual[0] ?? floatTensor([])), `${dtype}: without a graph`).toBe(true);
      }
    });
  });
});

it('gives gradients of bfloat16 keys and values as exactly as if every head had its own', () => {
  scope(() => {
    const inputs = qkv({ kvHeads: 1, group: 16, headDim: 32 }, 'bfloat16', 512);
    const mask: AttentionMask = { window: undefined, keyValid: undefined };
    const [q, k, v] = inputs;
    const compute = (a: Tensor, b: Tensor, c: Tensor): Tensor => attention(a, b, c, mask);
    const copied = (a: Tensor, b: Tensor, c: Tensor): Tensor =>
      attention(a, repeated(b, 16), repeated(c, 16), mask);
    const expected = withGradients([q.to('float64'), k.to('float64'), v.to('float64')], copied);
    const error = (parts: readonly Tensor[], index: number): number => {
      const exact = expected[index];
      const part = parts[index];
      if (exact === undefined || part === undefined) throw new Error(`part ${index}`);
      return part.to('float64').sub(exact).pow(2).mean().item() ** 0.5;
    };
    const [shared, own] = [withGradients(inputs, compute), withGradients(inputs, copied)];
    // libtorch's grouped backward pass is more than twice as far off.
    for (const index of [2, 3]) expect(error(shared, index)).toBeLessThan(1.05 * error(own, index));
  });
});

/**
 * The largest size of this process so far, in bytes. Linux counts what a process was before it became node, too, in
 * maxRSS, but not in VmHWM.
 */
function peakBytes(): number {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS * 1024;
  const kilobytes = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}

/** Bytes by which the process has grown at its largest. */
function growth(compute: () => unknown): number {
  const before = peakBytes();
  compute();
  return peakBytes() - before;
}

it('never repeats keys and values in memory', () => {
  scope(() => {
    const [group, keys, headDim] = [64, 16384, 64]; // 4 MB of keys, 256 MB if repeated
    const random = (heads: number, tokens: number, seed: number): Tensor =>
      randn([1, heads, tokens, headDim], new RandomGenerator(seed));
    const [q, k, v] = [random(group, 8, 1), random(1, keys, 2), random(1, keys, 3)];
    const visible = intTensor(Array.from({ length: keys }, (_, j) => j % 2))
      .ne(0)
      .view([1, 1, 1, keys])
      .expand([1, 1, 8, keys]);
    const limit = 100e6;
    scope(() => noGrad(() => groupedAttention(q, k.narrow(2, 0, 64), v.narrow(2, 0, 64), undefined)));
    expect(growth(() => scope(() => noGrad(() => groupedAttention(q, k, v, undefined))))).toBeLessThan(limit);
    expect(growth(() => scope(() => noGrad(() => groupedAttention(q, k, v, visible))))).toBeLessThan(limit);
    const backward = (dtype: FloatDType) => (): unknown =>
      scope(() =>
        withGradients([q.to(dtype), k.to(dtype), v.to(dtype)], (...all) => groupedAttention(...all, visible)),
      );
    expect(growth(backward('float32'))).toBeLessThan(limit);
    const inBfloat16 = [q.to('bfloat16'), k.to('bfloat16'), v.to('bfloat16')] as const;
    const forward = (): unknown =>
      groupedAttention(inBfloat16[0], inBfloat16[1].setRequiresGrad(true), inBfloat16[2], visible);
    expect(growth(forward)).toBeLessThan(limit);
  });
});

it('refuses heads that share nothing evenly', () => {
  scope(() => {
    const [q] = qkv({ kvHeads: 6, group: 1, headDim: 8 }, 'float32');
    const [, k, v] = qkv({ kvHeads: 4, group: 1, headDim: 8 }, 'float32');
    const mask: AttentionMask = { window: undefined, keyValid: undefined };
    expect(() => attention(q, k, v, mask)).toThrow(
      /q has 6 heads and k 4; the heads of q must be a multiple of those of k/,
    );
    expect(() => attention(k, q, q, mask)).toThrow(/q has 4 heads and k 6/);
    expect(() => attention(q, q.narrow(1, 0, 2), q.narrow(1, 0, 3), mask)).toThrow(/k has 2 heads and v 3/);
  });
});
