// Paged attention against scaled_dot_product_attention.
// Shapes: T rows, H heads, E head_dim, P pages.
import { expect, it } from 'vitest';
import { Generator, intTensor, operator, randn, scope, zeros } from '../tensor/index.js';

const pagedAttention = operator('xinghe::paged_attention');
const scaledDotProductAttention = operator('aten::scaled_dot_product_attention');

it.each(['float64', 'float32', 'bfloat16', 'float16'] as const)('a prompt of 37 tokens in %s', (dtype) =>
  scope(() => {
    const generator = new Generator(1);
    const [heads, tokens, headDim] = [3, 37, 64];
    const [q, k, v] = [0, 1, 2].map(() =>
      randn([1, tokens, heads, headDim], generator, { dtype }).transpose(1, 2),
    );
    if (q === undefined || k === undefined || v === undefined) throw new Error('three tensors');
    const result = pagedAttention(
      q,
      k,
      v,
      zeros([5, heads, headDim, 16], { dtype }),
      zeros([5, heads, 16, headDim], { dtype }),
      undefined,
      undefined,
      zeros([5, 16], { dtype: 'uint8' }).add(1).to('uint8'),
      intTensor([4, 0, 2], [1, 3], { dtype: 'int32' }),
      intTensor([0, tokens, 0, 0], [1, 4], { dtype: 'int32' }),
      0,
      undefined,
      undefined,
    );
    const expected = scaledDotProductAttention(q, k, v, undefined, 0, true);
    const difference = result.to('float64').sub(expected.to('float64')).abs().max().item();
    expect(difference).toBeLessThan({ float64: 1e-13, float32: 3e-6, bfloat16: 0.02, float16: 3e-3 }[dtype]);
  }),
);
