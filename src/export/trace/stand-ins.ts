/** Results of the operators that libtorch cannot run on tensors without memory: of the right shape, without content. */
import { type DType, empty, Tensor } from '../../tensor/index.js';

type Results = Tensor | readonly Tensor[];

const STAND_INS: Readonly<Record<string, (values: readonly unknown[]) => Results>> = {
  'aten::embedding': ([table, ids]) => {
    const [{ shape, dtype }, rows] = [tensorOf(table), tensorOf(ids)];
    return without([...rows.shape, ...shape.slice(1)], dtype);
  },
  'aten::index_select': ([input, dim, index]) => {
    const [{ shape, dtype }, chosen] = [tensorOf(input), tensorOf(index)];
    return without(shape.with(Number(dim), chosen.size(0)), dtype);
  },
  'aten::layer_norm': ([input]) => like(input),
  // As wide as the queries, since all heads have one size.
  'aten::scaled_dot_product_attention': ([queries]) => like(queries),
  'aten::topk': ([input, count]) => {
    const { shape, dtype } = tensorOf(input);
    const chosen = [...shape.slice(0, -1), Number(count)];
    return [without(chosen, dtype), without(chosen, 'int64')];
  },
  'aten::floor_divide.Scalar': ([input]) => like(input),
  'aten::logical_and': broadcast,
  'aten::logical_or': broadcast,
  'aten::logical_not': ([input]) => without(tensorOf(input).shape, 'bool'),
  'aten::bincount': ([, , count]) => without([Number(count)], 'int64'),
  'aten::sort.stable': ([input]) => {
    const { shape, dtype } = tensorOf(input);
    return [without(shape, dtype), without(shape, 'int64')];
  },
  'aten::index_copy_': ([target]) => tensorOf(target),
  'xinghe::grouped_linear': ([input, weight]) => {
    const [{ shape, dtype }, matrices] = [tensorOf(input), tensorOf(weight)];
    return without([shape[0] ?? 0, matrices.size(1)], dtype);
  },
};

/** As libtorch does: from the last dimension on, a size of 1 stands for every size. */
function broadcast([left, right]: readonly unknown[]): Tensor {
  const [a, b] = [tensorOf(left).shape, tensorOf(right).shape];
  const dims = Math.max(a.length, b.length);
  const sizeOf = (shape: readonly number[], dim: number): number => shape[dim - dims + shape.length] ?? 1;
  const shape = Array.from({ length: dims }, (_, dim) =>
    sizeOf(a, dim) === 1 ? sizeOf(b, dim) : sizeOf(a, dim),
  );
  return without(shape, 'bool');
}

function like(value: unknown): Tensor {
  const { shape, dtype } = tensorOf(value);
  return without(shape, dtype);
}

/** undefined: the operator runs by itself. */
export function standIn(name: string, values: readonly unknown[]): Results | undefined {
  return STAND_INS[name]?.(values);
}

function without(shape: readonly number[], dtype: DType): Tensor {
  return empty(shape, { device: 'meta', dtype });
}

function tensorOf(value: unknown): Tensor {
  if (value instanceof Tensor) return value;
  throw new TypeError('an operator was given no tensor where it wants one');
}
