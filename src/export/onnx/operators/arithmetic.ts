/** Arithmetic, comparisons and conversions, element by element. */
import type { TracedCall, TracedValue } from '../../trace/traced-graph.js';
import {
  dimensionAt,
  int,
  numberAt,
  onnxTypeOf,
  plainAt,
  resultOf,
  type Translate,
  type Translation,
  valueAt,
} from '../translation.js';

/** Both sides in one type: the result's, or for comparisons the wider of them. */
function sides(translation: Translation, call: TracedCall, type: TracedValue['dtype']): [string, string] {
  const [left, right] = [valueAt(call, 0), valueAt(call, 1)];
  return [
    translation.castTo(translation.use(left), left.dtype, type),
    translation.castTo(translation.use(right), right.dtype, type),
  ];
}

/** ATen's `alpha`, a factor of the second operand. */
function isPlainSum(call: TracedCall): boolean {
  return call.arguments[2] === undefined || numberAt(call, 2) === 1;
}

const ofTensors =
  (operator: string): Translate =>
  (translation, call) => {
    if (!isPlainSum(call) && operator !== 'Div') throw new TypeError(`${call.name} with alpha`);
    return [translation.builder.node(operator, sides(translation, call, resultOf(call).dtype))];
  };

const ofScalar =
  (operator: string): Translate =>
  (translation, call) => {
    const [left, { dtype }] = [valueAt(call, 0), resultOf(call)];
    const input = translation.castTo(translation.use(left), left.dtype, dtype);
    return [translation.builder.node(operator, [input, scalar(translation, call, dtype)])];
  };

function scalar(translation: Translation, call: TracedCall, dtype: TracedValue['dtype']): string {
  const number = dimensionAt(call, 1);
  if (typeof number === 'number') return translation.builder.scalar(number, onnxTypeOf(dtype));
  return translation.castTo(translation.scalarSize(number), 'int64', dtype);
}

const comparison =
  (operator: string): Translate =>
  (translation, call) => [
    translation.builder.node(operator, sides(translation, call, valueAt(call, 0).dtype)),
  ];

const comparisonWithScalar =
  (operator: string, isDenied = false): Translate =>
  (translation, call) => {
    const left = valueAt(call, 0);
    const compared = translation.builder.node(operator, [
      translation.use(left),
      scalar(translation, call, left.dtype),
    ]);
    return [isDenied ? translation.builder.node('Not', [compared]) : compared];
  };

const unary =
  (operator: string): Translate =>
  (translation, call) => [translation.builder.node(operator, [translation.use(valueAt(call, 0))])];

const same: Translate = (translation, call) => [translation.use(valueAt(call, 0))];

const cast: Translate = (translation, call) => {
  const input = valueAt(call, 0);
  return [translation.castTo(translation.use(input), input.dtype, resultOf(call).dtype)];
};

/** activation(gate) * up; GELU's cube would leave the range of float16. */
const gatedActivation: Translate = (translation, call) => {
  const { builder } = translation;
  const [gate, up] = [valueAt(call, 0), valueAt(call, 1)];
  const g = translation.use(gate);
  const kind = plainAt(call, 2);
  if (kind === 'silu')
    return [
      builder.node('Mul', [builder.node('Mul', [g, builder.node('Sigmoid', [g])]), translation.use(up)]),
    ];
  const wide = translation.castTo(g, gate.dtype, 'float32');
  const number = (value: number): string => builder.scalar(value, 'float32');
  const cube = builder.node('Mul', [builder.node('Mul', [wide, wide]), wide]);
  const inner = builder.node('Add', [wide, builder.node('Mul', [cube, number(0.044715)])]);
  const tanh = builder.node('Tanh', [builder.node('Mul', [inner, number(Math.sqrt(2 / Math.PI))])]);
  const half = builder.node('Mul', [wide, number(0.5)]);
  const activated = builder.node('Mul', [half, builder.node('Add', [tanh, number(1)])]);
  return [builder.node('Mul', [translation.castTo(activated, 'float32', gate.dtype), translation.use(up)])];
};

const atLeast: Translate = (translation, call) => {
  const input = valueAt(call, 0);
  return [translation.builder.node('Max', [translation.use(input), scalar(translation, call, input.dtype)])];
};

const softmax: Translate = (translation, call) => {
  const [input, { dtype }] = [valueAt(call, 0), resultOf(call)];
  const wide = translation.castTo(translation.use(input), input.dtype, dtype);
  return [translation.builder.node('Softmax', [wide], { axis: int(numberAt(call, 1)) })];
};

export const arithmetic: Readonly<Record<string, Translate>> = {
  'aten::add.Tensor': ofTensors('Add'),
  'aten::add.Scalar': ofScalar('Add'),
  'aten::sub.Tensor': ofTensors('Sub'),
  'aten::sub.Scalar': ofScalar('Sub'),
  'aten::mul.Tensor': ofTensors('Mul'),
  'aten::mul.Scalar': ofScalar('Mul'),
  'aten::div.Tensor': ofTensors('Div'),
  'aten::div.Scalar': ofScalar('Div'),
  // Of numbers that are not negative: ONNX rounds integers to zero.
  'aten::floor_divide.Scalar': ofScalar('Div'),
  'aten::neg': unary('Neg'),
  'aten::exp': unary('Exp'),
  'aten::log': unary('Log'),
  'aten::sqrt': unary('Sqrt'),
  'aten::tanh': unary('Tanh'),
  'aten::sigmoid': unary('Sigmoid'),
  'aten::logical_not': unary('Not'),
  'aten::logical_and': comparison('And'),
  'aten::logical_or': comparison('Or'),
  'aten::lt.Tensor': comparison('Less'),
  'aten::le.Tensor': comparison('LessOrEqual'),
  'aten::gt.Tensor': comparison('Greater'),
  'aten::ge.Tensor': comparison('GreaterOrEqual'),
  'aten::eq.Tensor': comparison('Equal'),
  'aten::eq.Scalar': comparisonWithScalar('Equal'),
  'aten::ne.Scalar': comparisonWithScalar('Equal', true),
  'aten::clamp_min': atLeast,
  'aten::to.dtype': cast,
  'aten::clone': same,
  'aten::contiguous': same,
  'aten::detach': same,
  'aten::softmax.int': softmax,
  'xinghe::gated_activation': gatedActivation,
};
