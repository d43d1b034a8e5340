/**
 * The layers of `nn` that are operators of their own: products with weights, norms, rotation, attention.
 *
 * Shapes: B batch, T tokens of queries, S of keys, H heads, K heads of keys and values, G = H / K, E head_dim.
 */
import type { DType } from '../../../tensor/index.js';
import type { Dimension } from '../../trace/dimension.js';
import type { TracedCall, TracedValue } from '../../trace/traced-graph.js';
import {
  float,
  int,
  ints,
  NoOnnxForm,
  numberAt,
  onnxTypeOf,
  optionalValueAt,
  plainAt,
  resultOf,
  type Translate,
  type Translation,
  valueAt,
  valuesAt,
} from '../translation.js';

/** x W^T. A matrix that is looked up by rows as well stays as it lies, so that it is stored once. */
function product(
  translation: Translation,
  input: TracedValue,
  matrix: TracedValue,
  result: TracedValue,
): string {
  const { builder, weights } = translation;
  const x = translation.use(input);
  const weight = translation.weightOf(matrix);
  if (weight === undefined)
    return builder.node('MatMul', [
      x,
      builder.node('Transpose', [translation.use(matrix)], { perm: ints(1, 0) }),
    ]);
  if (weight.isTransposed)
    return builder.node('MatMul', [x, weights.matrix(weight.name, { isTurned: false, outputs: 1 })]);
  if (!translation.isLookedUp(weight.name))
    return builder.node('MatMul', [x, weights.matrix(weight.name, { isTurned: true, outputs: 1 })]);
  const width = input.shape.at(-1) ?? 1;
  const flat = translation.reshape(x, input.shape, [-1, width]);
  const logits = builder.node('Gemm', [flat, weights.matrix(weight.name, { isTurned: false, outputs: 0 })], {
    transB: int(1),
  });
  return builder.node('Reshape', [logits, translation.sizes(result.shape)]);
}

function withBias(translation: Translation, product: string, bias: TracedValue | undefined): string {
  return bias === undefined ? product : translation.builder.node('Add', [product, translation.use(bias)]);
}

const linear: Translate = (translation, call) => {
  const multiplied = product(translation, valueAt(call, 0), valueAt(call, 1), resultOf(call));
  return [withBias(translation, multiplied, optionalValueAt(call, 2))];
};

const linears: Translate = (translation, call) => {
  const biases = call.arguments[2];
  return valuesAt(call, 1).map((matrix, index) => {
    const bias = biases?.kind === 'list' ? biases.items[index] : undefined;
    const multiplied = product(translation, valueAt(call, 0), matrix, resultOf(call, index));
    return withBias(translation, multiplied, bias?.kind === 'value' ? bias.value : undefined);
  });
};

const accumulated = (dtype: DType): DType => (dtype === 'float64' ? 'float64' : 'float32');

/** x / sqrt(mean(x²) + eps) * weight, computed in float32; as runtimes look for it to fuse it. */
const rmsNorm: Translate = (translation, call) => {
  const { builder } = translation;
  const [input, weight] = [valueAt(call, 0), valueAt(call, 1)];
  const roundsBefore = plainAt(call, 3) === true;
  const wide = accumulated(input.dtype);
  const x = translation.castTo(translation.use(input), input.dtype, wide);
  const squares = builder.node('Pow', [x, builder.scalar(2, onnxTypeOf(wide))]);
  const mean = meanOfLast(translation, squares);
  const shifted = builder.node('Add', [mean, builder.scalar(numberAt(call, 2), onnxTypeOf(wide))]);
  const normed = builder.node('Div', [x, builder.node('Sqrt', [shifted])]);
  const w = translation.use(weight);
  if (roundsBefore) return [builder.node('Mul', [translation.castTo(normed, wide, input.dtype), w])];
  const scaled = builder.node('Mul', [normed, translation.castTo(w, weight.dtype, wide)]);
  return [translation.castTo(scaled, wide, input.dtype)];
};

/** From opset 18 on the dimensions are an input. */
function meanOfLast({ builder }: Translation, input: string): string {
  const keepdims = int(1);
  return builder.opset < 18
    ? builder.node('ReduceMean', [input], { axes: ints(-1), keepdims })
    : builder.node('ReduceMean', [input, builder.integers([-1])], { keepdims });
}

const layerNorm: Translate = (translation, call) => {
  const [input, weight, bias] = [valueAt(call, 0), valueAt(call, 2), valueAt(call, 3)];
  const dims = call.arguments[1];
  if (dims?.kind !== 'list' || dims.items.length !== 1)
    throw new NoOnnxForm(`${call.name} over several dimensions`);
  return [
    translation.builder.node(
      'LayerNormalization',
      [input, weight, bias].map((value) => translation.use(value)),
      { axis: int(-1), epsilon: float(numberAt(call, 4)) },
    ),
  ];
};

/** Element j pairs with j + E/2: x cos + (-second half, first half) sin. */
const rotary: Translate = (translation, call) => {
  const { builder } = translation;
  const [input, cos, sin] = [valueAt(call, 0), valueAt(call, 1), valueAt(call, 2)];
  const width = input.shape.at(-1);
  if (typeof width !== 'number') throw new NoOnnxForm(`${call.name} of heads whose size is not fixed`);
  const x = translation.use(input);
  const halves = builder.nodeOf('Split', [x, builder.integers([width / 2, width / 2])], 2, { axis: int(-1) });
  const [first = '', second = ''] = halves;
  const turned = builder.node('Concat', [builder.node('Neg', [second]), first], { axis: int(-1) });
  return [
    builder.node('Add', [
      builder.node('Mul', [x, translation.use(cos)]),
      builder.node('Mul', [turned, translation.use(sin)]),
    ]),
  ];
};

/** Below all scores; float16 ends before. */
const MASKED = -3.4e38;

/**
 * softmax(q k^T / sqrt(E)) v. Where G heads of queries share one of keys, their rows lie one after the other as more rows of one
 * product, so that no key is copied.
 */
const attention: Translate = (translation, call) => {
  const { builder } = translation;
  const [q, k, v] = [valueAt(call, 0), valueAt(call, 1), valueAt(call, 2)];
  const mask = optionalValueAt(call, 3);
  refuseOtherAttention(call, mask);
  const [batch = 1, heads = 1, tokens = 1, headDim = 1] = q.shape;
  const [, kvHeads = 1, keys = 1] = k.shape;
  if (typeof heads !== 'number' || typeof kvHeads !== 'number' || typeof headDim !== 'number')
    throw new NoOnnxForm(`${call.name} of heads whose number is not fixed`);
  const group = heads / kvHeads;
  const scaled = builder.node('Mul', [
    translation.use(q),
    builder.scalar(1 / Math.sqrt(headDim), onnxTypeOf(q.dtype)),
  ]);
  const shaped = (name: string, from: readonly Dimension[], shape: readonly Dimension[]): string =>
    group === 1 ? name : translation.reshape(name, from, shape);
  const queries = shaped(scaled, q.shape, [batch, kvHeads, -1, headDim]); // [B, K, G T, E]
  const turned = builder.node('Transpose', [translation.use(k)], { perm: ints(0, 1, 3, 2) });
  const products = translation.castTo(builder.node('MatMul', [queries, turned]), q.dtype, 'float32');
  const sizes = builder.node(
    'Concat',
    [translation.size(batch), builder.integers([heads]), translation.size(tokens), translation.size(keys)],
    { axis: int(0) },
  );
  const byHead = group === 1 ? products : builder.node('Reshape', [products, sizes]); // [B, H, T, S]
  const masked =
    mask === undefined
      ? byHead
      : builder.node('Add', [
          byHead,
          builder.node('Where', [
            translation.use(mask),
            builder.scalar(0, 'float32'),
            builder.scalar(MASKED, 'float32'),
          ]),
        ]);
  const weights = translation.castTo(
    builder.node('Softmax', [masked], { axis: int(-1) }),
    'float32',
    q.dtype,
  );
  const grouped =
    group === 1
      ? weights
      : builder.node('Reshape', [
          weights,
          builder.node(
            'Concat',
            [translation.size(batch), builder.integers([kvHeads, -1]), translation.size(keys)],
            { axis: int(0) },
          ),
        ]); // [B, K, G T, S]
  const mixed = builder.node('MatMul', [grouped, translation.use(v)]); // [B, K, G T, E]
  return [
    group === 1 ? mixed : builder.node('Reshape', [mixed, translation.sizes([batch, heads, -1, headDim])]),
  ];
};

/** What our forward pass never asks for. */
function refuseOtherAttention(call: TracedCall, mask: TracedValue | undefined): void {
  if (numberAt(call, 4, 0) !== 0) throw new NoOnnxForm(`${call.name} with dropout`);
  if (plainAt(call, 5) === true) throw new NoOnnxForm(`${call.name} that masks by itself`);
  if (mask !== undefined && mask.dtype !== 'bool')
    throw new NoOnnxForm(`${call.name} with a mask of ${mask.dtype}`);
}

export const layers: Readonly<Record<string, Translate>> = {
  'xinghe::linear': linear,
  'xinghe::linears': linears,
  'xinghe::rms_norm': rmsNorm,
  'xinghe::rotary': rotary,
  'aten::layer_norm': layerNorm,
  'aten::scaled_dot_product_attention': attention,
};
