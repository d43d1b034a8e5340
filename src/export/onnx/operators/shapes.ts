/** What moves elements and computes nothing: views, slices, rows by number. */
import type { Dimension } from '../../trace/dimension.js';
import {
  dimAt,
  dimensionAt,
  dimensionsAt,
  int,
  ints,
  NoOnnxForm,
  numberAt,
  plainAt,
  resultOf,
  type Translate,
  type Translation,
  valueAt,
  valuesAt,
} from '../translation.js';

const view: Translate = (translation, call) => {
  const input = valueAt(call, 0);
  return [translation.reshape(translation.use(input), input.shape, dimensionsAt(call, 1))];
};

const transpose: Translate = (translation, call) => {
  const input = valueAt(call, 0);
  const dims = input.shape.length;
  const [first, second] = [dimAt(call, 1, dims), dimAt(call, 2, dims)];
  if (dims === 2 && translation.weightOf(input)?.isTransposed === false && first !== second) {
    translation.setTransposed(resultOf(call), input);
    return [];
  }
  const perm = Array.from({ length: dims }, (_, dim) =>
    dim === first ? second : dim === second ? first : dim,
  );
  return [translation.builder.node('Transpose', [translation.use(input)], { perm: ints(...perm) })];
};

const permute: Translate = (translation, call) => {
  const input = valueAt(call, 0);
  const dims = dimensionsAt(call, 1).map((dim) => {
    if (typeof dim !== 'number') throw new NoOnnxForm(`${call.name} by sizes`);
    return dim < 0 ? dim + input.shape.length : dim;
  });
  return [translation.builder.node('Transpose', [translation.use(input)], { perm: ints(...dims) })];
};

const unsqueeze: Translate = (translation, call) => {
  const input = valueAt(call, 0);
  const dim = dimAt(call, 1, input.shape.length + 1);
  return [
    translation.builder.node('Unsqueeze', [translation.use(input), translation.builder.integers([dim])]),
  ];
};

const squeeze: Translate = (translation, call) => {
  const input = valueAt(call, 0);
  const dim = dimAt(call, 1, input.shape.length);
  return [translation.builder.node('Squeeze', [translation.use(input), translation.builder.integers([dim])])];
};

const expand: Translate = (translation, call) => {
  const input = valueAt(call, 0);
  return [
    translation.builder.node('Expand', [translation.use(input), translation.sizes(resultOf(call).shape)]),
  ];
};

/** From `start` up to `start + length`. */
const narrow: Translate = (translation, call) => {
  const input = valueAt(call, 0);
  const dim = dimAt(call, 1, input.shape.length);
  const start = dimensionAt(call, 2);
  const length = dimensionAt(call, 3);
  const { builder } = translation;
  const end =
    typeof start === 'number' && typeof length === 'number'
      ? builder.integers([start + length])
      : builder.node('Add', [translation.size(start), translation.size(length)]);
  return [
    builder.node('Slice', [translation.use(input), translation.size(start), end, builder.integers([dim])]),
  ];
};

const select: Translate = (translation, call) => {
  const input = valueAt(call, 0);
  const dim = dimAt(call, 1, input.shape.length);
  const index = translation.scalarSize(dimensionAt(call, 2));
  return [translation.builder.node('Gather', [translation.use(input), index], { axis: int(dim) })];
};

const unbind: Translate = (translation, call) => {
  const input = valueAt(call, 0);
  const dim = dimAt(call, 1, input.shape.length, 0);
  return call.results.map((_, index) =>
    translation.builder.node('Gather', [translation.use(input), translation.builder.integers([index], [])], {
      axis: int(dim),
    }),
  );
};

const split: Translate = (translation, call) => {
  const input = valueAt(call, 0);
  const dim = dimAt(call, 2, input.shape.length, 0);
  const sizes = call.results.map(({ shape }): Dimension => shape[dim] ?? 0);
  return translation.builder.nodeOf(
    'Split',
    [translation.use(input), translation.sizes(sizes)],
    sizes.length,
    {
      axis: int(dim),
    },
  );
};

function joined(translation: Translation, dim: number, names: readonly string[]) {
  return [translation.builder.node('Concat', names, { axis: int(dim) })];
}

const cat: Translate = (translation, call) => {
  const parts = valuesAt(call, 0);
  const dim = dimAt(call, 1, resultOf(call).shape.length, 0);
  return joined(
    translation,
    dim,
    parts.map((part) => translation.use(part)),
  );
};

const stack: Translate = (translation, call) => {
  const dim = dimAt(call, 1, resultOf(call).shape.length, 0);
  const parts = valuesAt(call, 0).map((part) =>
    translation.builder.node('Unsqueeze', [translation.use(part), translation.builder.integers([dim])]),
  );
  return joined(translation, dim, parts);
};

const range: Translate = (translation, call) => [
  translation.builder.node('Range', [
    translation.scalarSize(dimensionAt(call, 0)),
    translation.scalarSize(dimensionAt(call, 1)),
    translation.builder.integers([1], []),
  ]),
];

/** Rows of a table; of a weight as integers too. */
const lookUp: Translate = (translation, call) => {
  const [table, ids] = [valueAt(call, 0), valueAt(call, 1)];
  const weight = translation.weightOf(table);
  if (weight?.isTransposed === false) return [translation.weights.rows(weight.name, translation.use(ids))];
  return [
    translation.builder.node('Gather', [translation.use(table), translation.use(ids)], { axis: int(0) }),
  ];
};

const indexSelect: Translate = (translation, call) => {
  const input = valueAt(call, 0);
  const axis = int(dimAt(call, 1, input.shape.length));
  return [
    translation.builder.node('Gather', [translation.use(input), translation.use(valueAt(call, 2))], { axis }),
  ];
};

const sum: Translate = (translation, call) => {
  const input = valueAt(call, 0);
  const dims = dimensionsAt(call, 1).map((dim) => {
    if (typeof dim !== 'number') throw new NoOnnxForm(`${call.name} by sizes`);
    return dim;
  });
  const keepdims = int(plainAt(call, 2) === true ? 1 : 0);
  const { builder } = translation;
  return [builder.node('ReduceSum', [translation.use(input), builder.integers(dims)], { keepdims })];
};

/** Largest first. */
const topK: Translate = (translation, call) => {
  const input = valueAt(call, 0);
  const axis = int(dimAt(call, 2, input.shape.length, -1));
  return translation.builder.nodeOf(
    'TopK',
    [translation.use(input), translation.size(numberAt(call, 1))],
    2,
    { axis },
  );
};

export const shapes: Readonly<Record<string, Translate>> = {
  'aten::view': view,
  'aten::reshape': view,
  'aten::transpose.int': transpose,
  'aten::permute': permute,
  'aten::unsqueeze': unsqueeze,
  'aten::squeeze.dim': squeeze,
  'aten::expand': expand,
  'aten::narrow': narrow,
  'aten::select.int': select,
  'aten::unbind.int': unbind,
  'aten::split_with_sizes': split,
  'aten::cat': cat,
  'aten::stack': stack,
  'aten::arange.start': range,
  'aten::embedding': lookUp,
  'aten::index_select': indexSelect,
  'aten::sum.dim_IntList': sum,
  'aten::topk': topK,
};
