/**
 * Rows of the query and key projections. Published models rotate element j of a head with element j + E/2; llama.cpp's
 * architectures `llama` and `xverse` rotate neighbours 2j and 2j + 1, so there the halves of each head are interleaved.
 */
import { everyRow, interleaveRows, sliceRows, stackRows, type TensorView } from '../../../formats/index.js';

/** [H * E, …] with halves of heads -> neighbouring pairs. */
export function pairRows(view: TensorView, heads: number): TensorView {
  const half = (view.shape[0] ?? 0) / heads / 2;
  return stackRows(
    Array.from({ length: heads }, (_, head) => {
      const start = head * 2 * half;
      return interleaveRows([
        sliceRows(view, start, start + half),
        sliceRows(view, start + half, start + 2 * half),
      ]);
    }),
  );
}

/** The inverse of pairRows. */
export function unpairRows(view: TensorView, heads: number): TensorView {
  const size = (view.shape[0] ?? 0) / heads;
  return stackRows(
    Array.from({ length: heads }, (_, head) => {
      const rows = sliceRows(view, head * size, (head + 1) * size);
      return [everyRow(rows, 2, 0), everyRow(rows, 2, 1)];
    }).flat(),
  );
}

/** Which row pairRows puts at each place. */
export function pairOrder(rows: number, heads: number): Int32Array {
  const size = rows / heads;
  return Int32Array.from({ length: rows }, (_, row) => {
    const position = row % size;
    return row - position + (position % 2) * (size / 2) + Math.floor(position / 2);
  });
}
