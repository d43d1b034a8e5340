import { describe, expect, it } from 'vitest';
import {
  dtypes,
  empty,
  floatTensor,
  full,
  intTensor,
  noGrad,
  operator,
  RandomGenerator,
  rand,
  scope,
  type Tensor,
  tensorFromBytes,
  zeros,
} from './index.js';

const t = (values: number[], shape?: number[]): Tensor => floatTensor(values, shape);

describe('arguments', () => {
  it('whole numbers are integer scalars, others float scalars', () =>
    scope(() => {
      const ints = intTensor([1, 2]);
      expect(ints.add(1).dtype).toBe('int64');
      expect(ints.add(1.5).dtype).toBe('float32');
      expect(ints.add(1.5).toArray()).toEqual([2.5, 3.5]);
      expect(t([1]).add(-0).toArray()).toEqual([1]);
      expect(t([1]).mul(Number.NaN).item()).toBeNaN();
    }));

  it('bigint and boolean scalars', () =>
    scope(() => {
      const add = operator('aten::add.Scalar');
      expect(add(intTensor([1]), 2n ** 40n).item()).toBe(2 ** 40 + 1);
      expect(add(intTensor([1]), true).item()).toBe(2);
    }));

  it('takes the default of what is left out, undefined or null', () =>
    scope(() => {
      const add = operator('aten::add.Tensor');
      expect(add(t([1]), t([2])).item()).toBe(3);
      expect(add(t([1]), t([2]), undefined).item()).toBe(3);
      expect(add(t([1]), t([2]), 10).item()).toBe(21);
      const clamp = operator('aten::clamp');
      expect(clamp(t([-3, 5]), null, 1).toArray()).toEqual([-3, 1]);
      expect(clamp(t([-3, 5]), -1).toArray()).toEqual([-1, 5]);
    }));

  it('lists of integers, of tensors, of optional tensors', () =>
    scope(() => {
      expect(t([1, 2, 3, 4, 5, 6], [2, 3]).permute([1, 0]).toArray()).toEqual([1, 4, 2, 5, 3, 6]);
      expect(operator('aten::cat')([t([1]), t([2, 3])]).toArray()).toEqual([1, 2, 3]);
      const index = operator('aten::index.Tensor');
      const grid = t([1, 2, 3, 4], [2, 2]);
      expect(index(grid, [null, intTensor([1])]).toArray()).toEqual([2, 4]);
      expect(index(grid, [intTensor([1])]).toArray()).toEqual([3, 4]);
      expect(t([1, 2]).sum([]).item()).toBe(3);
    }));

  it('optional tensors', () =>
    scope(() => {
      const layerNorm = operator('aten::layer_norm');
      const x = t([1, 3], [1, 2]);
      const plain = layerNorm(x, [2], undefined, undefined, 0);
      expect(plain.toArray()).toEqual([-1, 1]);
      expect(layerNorm(x, [2], t([2, 2]), null, 0).toArray()).toEqual([-2, 2]);
    }));

  it('strings, dtypes, devices, booleans, generators', () =>
    scope(() => {
      expect(operator('aten::div.Tensor_mode')(t([7]), t([2]), 'floor').item()).toBe(3);
      expect(operator('aten::zeros')([2], 'float64').dtype).toBe('float64');
      expect(zeros([2], { device: 'meta' }).device).toBe('meta');
      expect(t([1, 2], [1, 2]).sum([1], true).shape).toEqual([1, 1]);
      const generator = new RandomGenerator(1);
      expect(operator('aten::randperm.generator')(5, generator).shape).toEqual([5]);
      generator.dispose();
    }));

  it('more arguments than fit on the stack of a call', () =>
    scope(() => {
      const x = rand([1, 1, 4, 4], new RandomGenerator(0));
      const w = rand([1, 1, 3, 3], new RandomGenerator(1));
      const y = operator('aten::_convolution')(
        x,
        w,
        null,
        [1, 1],
        [0, 0],
        [1, 1],
        false,
        [0, 0],
        1,
        false,
        false,
        false,
        false,
      );
      expect(y.shape).toEqual([1, 1, 2, 2]);
    }));
});

describe('results', () => {
  it('an operator in place gives back the same object', () =>
    scope(() => {
      const x = t([1]);
      expect(x.add_(1)).toBe(x);
      expect(operator('aten::add_.Scalar')(x, 1)).toBe(x);
      const out = empty([1]);
      expect(operator('aten::add.out')(x, x, 1, out)).toBe(out);
      expect(out.item()).toBe(6);
    }));

  it('the shape follows an operator in place', () =>
    scope(() => {
      const x = t([1, 2]);
      expect(x.shape).toEqual([2]);
      operator('aten::unsqueeze_')(x, 0);
      expect(x.shape).toEqual([1, 2]);
    }));

  it('several results, lists, plain values, dtypes, undefined tensors', () =>
    scope(() => {
      const [values, indices] = operator('aten::topk')(t([1, 5, 3]), 2);
      expect([values.toArray(), indices.toArray()]).toEqual([
        [5, 3],
        [1, 2],
      ]);
      expect(
        t([1, 2, 3, 4])
          .chunk(2)
          .map((part) => part.toArray()),
      ).toEqual([
        [1, 2],
        [3, 4],
      ]);
      expect(operator('aten::equal')(t([1]), t([1]))).toBe(true);
      expect(operator('aten::size.int')(t([1, 2]), 0)).toBe(2);
      expect(operator('aten::result_type.Tensor')(t([1]), intTensor([1]))).toBe('float32');
    }));
});

describe('errors', () => {
  const x = floatTensor([1, 2]).keep();

  it('libtorch’s own message, with the operator', () =>
    scope(() => {
      expect(() => x.add(t([1, 2, 3]))).toThrow(
        /size of tensor a \(2\).*size of tensor b \(3\)[\s\S]*aten::add\.Tensor/,
      );
    }));

  it.each([
    [
      'a missing argument',
      () => Reflect.apply(operator('aten::matmul'), undefined, [x]),
      /aten::matmul: argument 2 \(other\): is missing/,
    ],
    [
      'a wrong kind',
      () => Reflect.apply(operator('aten::matmul'), undefined, [x, 'x']),
      /aten::matmul: argument 2 \(other\): expected a tensor/,
    ],
    [
      'too many',
      () => Reflect.apply(operator('aten::neg'), undefined, [x, 1, 2]),
      /aten::neg takes 1 arguments, got 3/,
    ],
    [
      'a fraction for an integer',
      () => x.select(0, 0.5),
      /aten::select\.int: argument 3 \(index\): expected an integer, got 0\.5/,
    ],
    ['an integer beyond 64 bits', () => x.select(0, 1e300), /argument 3 \(index\): expected an integer/],
    ['not a number', () => x.select(0, Number.NaN), /argument 3 \(index\): expected an integer, got nan/],
    [
      'an unknown dtype',
      () => Reflect.apply(operator('aten::zeros'), undefined, [[1], 'float33']),
      /argument 2 \(dtype\): unknown dtype "float33"/,
    ],
    ['an unknown device', () => zeros([1], { device: 'tpu!' }), /argument 4 \(device\)/],
    [
      'an unknown operator',
      () => Reflect.apply(operator, undefined, ['aten::nothing'])(x),
      /no operator aten::nothing/,
    ],
    ['an unusual device', () => zeros([1], { device: 'cuda' }), /aten::zeros/],
  ])('%s', (_, act, message) => {
    expect(() => scope(act)).toThrow(message);
  });

  it('a disposed tensor', () => {
    const gone = floatTensor([1]);
    gone.dispose();
    expect(() => x.add(gone)).toThrow(/aten::add\.Tensor: argument 2 \(other\): use of a disposed/);
    expect(() => gone.shape).toThrow(/disposed/);
  });
});

describe('dtypes', () => {
  it.each(dtypes)('%s: values and bytes round-trip', (dtype) =>
    scope(() => {
      const values = dtype === 'bool' ? [0, 1, 1] : [0, 1, 100];
      const x = t(values).to(dtype);
      expect(x.dtype).toBe(dtype);
      expect(x.toArray()).toEqual(values);
      const bytes = x.toBytes();
      expect(bytes.length).toBe(x.numBytes);
      expect(tensorFromBytes(bytes, [3], dtype).equals(x)).toBe(true);
    }),
  );

  it('bytes of a view are those of its own elements, row by row', () =>
    scope(() => {
      const x = t([1, 2, 3, 4], [2, 2]);
      expect(x.transpose(0, 1).toFloat32Array()).toEqual(Float32Array.of(1, 3, 2, 4));
      expect(x.select(1, 1).toArray()).toEqual([2, 4]);
      expect(empty([0, 3]).toBytes().length).toBe(0);
    }));

  it('refuses bytes that do not fill the shape', () => {
    expect(() => tensorFromBytes(new Uint8Array(7), [2], 'float32')).toThrow(/8 bytes, got 7/);
    expect(() => tensorFromBytes(new Uint8Array(8), [-2], 'float32')).toThrow();
  });
});

describe('without gradients', () => {
  it('gives what the autograd layer would pass on, bit by bit', () =>
    scope(() => {
      const generator = new RandomGenerator(3);
      const x = rand([5, 7], generator);
      const y = rand([7, 3], generator);
      const run = (): Tensor => x.matmul(y).softmax(-1).add(1).sum([0]);
      const recorded = run();
      expect(noGrad(run).equals(recorded)).toBe(true);
      const leaf = full([2], 1).setRequiresGrad(true);
      expect(noGrad(() => leaf.mul(2)).requiresGrad).toBe(false);
    }));

  it('still tracks views that a schema does not tell of', () =>
    scope(() => {
      const x = full([2, 2], 3).setRequiresGrad(true);
      const y = x.mul(x).sum();
      noGrad(() => operator('aten::einsum')('ij->ji', [x]).add_(1));
      expect(() => y.backward()).toThrow(/modified by an inplace operation/);
    }));

  it('still guards values that a graph has saved', () =>
    scope(() => {
      const x = full([2], 3).setRequiresGrad(true);
      const y = x.mul(x).sum();
      noGrad(() => x.add_(1));
      expect(() => y.backward()).toThrow(/modified by an inplace operation/);
    }));
});
