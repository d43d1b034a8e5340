/** Linear layers that their files keep in integers stay so: the file's own pages where it holds what products read. */
import type { IntegerRows, TensorView } from '../../formats/index.js';
import { type Module, namedLinears } from '../../nn/index.js';
import {
  IntegerLinear,
  type IntegerTensors,
  packIntegers,
  placeIntegers,
  placeOrder,
} from '../../quantization/index.js';
import { floatTensor, full, scope, type Tensor, tensorFromBytes } from '../../tensor/index.js';
import type { ParameterReader } from '../parameter-reader.js';

/**
 * Puts layers of integers in the place of dense ones, where their groups allow it.
 * @returns the own paths of their weights, which nobody reads any more
 */
export function keepIntegers(
  module: Module,
  views: ReadonlyMap<string, TensorView>,
  reader: ParameterReader,
  device: string | undefined,
): Set<string> {
  const kept = new Set<string>();
  for (const [path, layer] of [...namedLinears(module)]) {
    const view = views.get(`${path}.weight`);
    if (view?.integers === undefined) continue;
    const { outFeatures, inFeatures, bias } = layer;
    const rows = view.integers.readRows();
    const tensors =
      rows === undefined
        ? unpackedTensors(view.integers.read(), device)
        : rowTensors(rows, outFeatures, reader, device);
    if (tensors === undefined) continue;
    module.replaceModule(
      path,
      new IntegerLinear([outFeatures, inFeatures], tensors, { bias: bias !== undefined }),
    );
    layer.dispose();
    kept.add(`${path}.weight`);
  }
  return kept;
}

function unpackedTensors(
  matrix: Parameters<typeof packIntegers>[0],
  device: string | undefined,
): IntegerTensors | undefined {
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
