/**
 * What a mixture of experts does beyond a plain model: rows sorted by expert, and a matrix for each stretch of them.
 *
 * Shapes: N rows, G experts.
 */
import { dimAt, int, NoOnnxForm, numberAt, plainAt, type Translate, valueAt } from '../translation.js';

/** ONNX has no sort, but its TopK takes the lower index first where two are equal. */
const sort: Translate = (translation, call) => {
  const input = valueAt(call, 0);
  const [dim, isDescending] = [dimAt(call, 2, input.shape.length, -1), plainAt(call, 3) === true];
  const { builder } = translation;
  const all = translation.size(input.shape[dim] ?? 1);
  return builder.nodeOf('TopK', [translation.use(input), all], 2, {
    axis: int(dim),
    largest: int(isDescending ? 1 : 0),
  });
};

/** How many elements have each of the values 0 … G - 1. */
const bincount: Translate = (translation, call) => {
  const { builder } = translation;
  const input = valueAt(call, 0);
  const count = numberAt(call, 2);
  const each = builder.node('Range', [
    builder.integers([0], []),
    builder.integers([count], []),
    builder.integers([1], []),
  ]);
  const column = builder.node('Unsqueeze', [translation.use(input), builder.integers([1])]);
  const isEach = builder.cast(builder.node('Equal', [column, each]), 'int64'); // [N, G]
  return [builder.node('ReduceSum', [isEach, builder.integers([0])], { keepdims: int(0) })];
};

/** Rows `index` of the first dimension are replaced; the value before stays what it was. */
const indexCopy: Translate = (translation, call) => {
  if (dimAt(call, 1, valueAt(call, 0).shape.length) !== 0)
    throw new NoOnnxForm(`${call.name} of another dimension`);
  const { builder } = translation;
  const rows = builder.node('Unsqueeze', [translation.use(valueAt(call, 2)), builder.integers([1])]);
  return [
    builder.node('ScatterND', [translation.use(valueAt(call, 0)), rows, translation.use(valueAt(call, 3))]),
  ];
};

/** Stretches of rows, each times the matrix of its expert; one without rows gives none. */
const groupedLinear: Translate = (translation, call) => {
  const { builder, weights } = translation;
  const weight = translation.weightOf(valueAt(call, 1));
  const [experts] = valueAt(call, 1).shape;
  if (weight === undefined || typeof experts !== 'number') throw new NoOnnxForm(`${call.name} of no weights`);
  const inputs = [translation.use(valueAt(call, 0)), translation.use(valueAt(call, 2))];
  const stretches = builder.nodeOf('Split', inputs, experts, { axis: int(0) });
  const products = stretches.map((rows, expert) =>
    builder.node('MatMul', [rows, weights.matrix(weight.name, { isTurned: true, outputs: 1, expert })]),
  );
  return [products.length === 1 ? (products[0] ?? '') : builder.node('Concat', products, { axis: int(0) })];
};

export const experts: Readonly<Record<string, Translate>> = {
  'aten::sort.stable': sort,
  'aten::bincount': bincount,
  'aten::index_copy_': indexCopy,
  'xinghe::grouped_linear': groupedLinear,
};
