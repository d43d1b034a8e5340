/** Rows of ids and masks, filled up to the length of the longest. Shapes: R rows, L ids in the longest. */
import type { Row } from '../../data/index.js';
import type { CausalLm } from '../../models/index.js';
import { type Tensor, tensorFromBytes } from '../../tensor/index.js';

export interface ArrangedRows {
  readonly ids: Int32Array; // [R, L]
  readonly mask: Float32Array; // [R, L], 0 on the padding
  readonly shape: [number, number];
}

export function arrangeRows(rows: readonly Row[], padTokenId: number): ArrangedRows {
  const length = Math.max(...rows.map(({ ids }) => ids.length));
  const ids = new Int32Array(rows.length * length).fill(padTokenId);
  const mask = new Float32Array(rows.length * length);
  for (const [index, row] of rows.entries()) {
    ids.set(row.ids, index * length);
    mask.set(row.lossMask, index * length);
  }
  return { ids, mask, shape: [rows.length, length] };
}

export function idTensor(ids: Int32Array, shape: [number, number], { device }: CausalLm): Tensor {
  return tensorFromBytes(ids, shape, 'int32').to('int64').toDevice(device);
}

/** In the dtype that losses are computed in. */
export function weightTensor(
  weights: Float32Array,
  shape: readonly number[],
  { device, computeDType }: CausalLm,
): Tensor {
  return tensorFromBytes(weights, shape, 'float32')
    .to(computeDType === 'float64' ? 'float64' : 'float32')
    .toDevice(device);
}
