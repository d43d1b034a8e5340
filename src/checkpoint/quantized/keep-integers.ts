/** Linear layers that their files keep in integers stay so: the file's own pages where it holds what products read. */
import { InputError } from '../../errors/index.js';
import {
  type IntegerMatrix,
  type IntegerRows,
  type IntegerWeight,
  placeOfView,
  type TensorView,
} from '../../formats/index.js';
import { Embedding, type Linear, type Module, namedLinears } from '../../nn/index.js';
import {
  IntegerEmbedding,
  IntegerLinear,
  type IntegerLinearOptions,
  type IntegerTensors,
  packIntegers,
  placeIntegers,
  placeOrder,
} from '../../quantization/index.js';
import { floatTensor, full, scope, type Tensor, tensorFromBytes } from '../../tensor/index.js';
import type { ParameterReader } from '../parameter-reader.js';
import type { TensorCut } from '../tensor-cut.js';
import { cutIntegers } from './cut-integers.js';

export interface KeepIntegersOptions {
  /** Default cpu. */
  readonly device?: string | undefined;
  /** Weights of which this process has a part, by own path. Default: none. */
  readonly cuts?: ReadonlyMap<string, TensorCut> | undefined;
  /** Default false. */
  readonly roundsInput?: boolean | undefined;
}

/**
 * Puts layers and tables of integers in the place of dense ones, where their groups allow it.
 * @returns the own paths of their weights, which nobody reads any more @throws InputError for one that cannot be cut as it has to
 */
export function keepIntegers(
  module: Module,
  views: ReadonlyMap<string, TensorView>,
  reader: ParameterReader,
  { device, cuts, roundsInput }: KeepIntegersOptions,
): Set<string> {
  const kept = new Set<string>();
  for (const [path, layer] of [...namedLinears(module)]) {
    const view = views.get(`${path}.weight`);
    if (view?.integers === undefined) continue;
    const { outFeatures, inFeatures, bias } = layer;
    const cut = cuts?.get(`${path}.weight`);
    const part = cut === undefined ? undefined : integerPart(view.integers.read(), cut, layer);
    const tensors =
      part === undefined
        ? wholeTensors(view.integers, outFeatures, reader, device)
        : unpackedTensors(part.matrix, device);
    if (tensors === undefined) {
      if (part === undefined) continue;
      throw new InputError(
        `${placeOfView(view)}: tensor "${view.source}" has ${view.integers.groupCount} groups of inputs, and so many ranks cannot share ` +
          'them evenly in blocks of 32 inputs; take fewer ranks, or dequantise the model (xinghe convert --dequantize).',
      );
    }
    const quantized = new IntegerLinear([outFeatures, inFeatures], tensors, {
      bias: bias !== undefined,
      part,
      roundsInput,
    });
    module.replaceModule(path, quantized);
    layer.dispose();
    kept.add(`${path}.weight`);
  }
  for (const [path, table] of [...module.namedModules()]) {
    const integers = views.get(`${path}.weight`)?.integers;
    // A part of a table is read as floats.
    if (!(table instanceof Embedding) || integers === undefined || cuts?.has(`${path}.weight`) === true)
      continue;
    const [vocabSize = 0, hiddenSize = 0] = table.weight.shape;
    const tensors = wholeTensors(integers, vocabSize, reader, device);
    if (tensors === undefined) continue;
    module.replaceModule(path, new IntegerEmbedding([vocabSize, hiddenSize], tensors, { roundsInput }));
    table.dispose();
    kept.add(`${path}.weight`);
  }
  return kept;
}

type IntegerPart = NonNullable<IntegerLinearOptions['part']> & { readonly matrix: IntegerMatrix };

/** What this rank has of a matrix [O, I]. @param cut of the weight as the layer stores it */
function integerPart(
  matrix: IntegerMatrix,
  { dim, rank, spans }: TensorCut,
  { layout }: Linear,
): IntegerPart {
  const isOutput = dim === (layout === 'out-in' ? 0 : 1);
  const own = cutIntegers(matrix, isOutput ? 'outputs' : 'inputs', spans);
  return {
    matrix: own,
    shape: [own.outFeatures, own.inFeatures],
    hasInputs: !isOutput,
    addsBias: isOutput || rank === 0,
  };
}

function wholeTensors(
  integers: IntegerWeight,
  outFeatures: number,
  reader: ParameterReader,
  device: string | undefined,
): IntegerTensors | undefined {
  const rows = integers.readRows();
  if (rows === undefined) return unpackedTensors(integers.read(), device);
  return rowTensors(rows, outFeatures, reader, device);
}

function unpackedTensors(matrix: IntegerMatrix, device: string | undefined): IntegerTensors | undefined {
  const packed = packIntegers(matrix);
  return packed && placeIntegers(packed, matrix.outFeatures, device);
}

function rowTensors(
  { bits, values, isSigned, scales, zeros, order, groupSize }: IntegerRows,
  outFeatures: number,
  reader: ParameterReader,
  device: string | undefined,
): IntegerTensors {
  const onDevice = (make: () => Tensor): Tensor => scope(() => make().toDevice(device ?? 'cpu')).keep();
  const places = (count: number): readonly number[] => [outFeatures, count / outFeatures];
  const scaleTensor =
    scales instanceof Float32Array
      ? onDevice(() => floatTensor(scales, places(scales.length)))
      : reader.read(scales, { dtype: scales.dtype === 'bfloat16' ? 'float32' : undefined, device });
  const { shape } = scaleTensor;
  return {
    ...{ bits, groupSize, scales: scaleTensor },
    packed:
      values instanceof Uint8Array
        ? onDevice(() => tensorFromBytes(values, places(values.length), 'uint8'))
        : reader.readBytes(values, isSigned ? 'int8' : 'uint8', values.shape, device),
    zeros: onDevice(() =>
      zeros === undefined
        ? full(shape, 2 ** (bits - 1), { dtype: 'uint8' })
        : tensorFromBytes(zeros, shape, 'uint8'),
    ),
    order: order && placeOrder(order, device),
  };
}
