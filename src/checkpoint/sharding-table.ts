/** How each of a model's tensors is cut over the ranks of tensor parallelism ("model parallel" in MindSpore). */
import { InputError } from '../errors/index.js';
import { sliceColumns, sliceRows, stackColumns, stackRows, type TensorView } from '../formats/index.js';
import { layerPattern } from './name-table.js';

export interface Split {
  /** The dimension that is cut. */
  readonly axis: 0 | 1;
  /** Equal blocks along it (a fused q|k|v has 3), each of which is cut. Default 1. */
  readonly blocks?: number;
}

/** A row for every tensor that is cut; every rank has the whole of the others. */
export class ShardingTable {
  readonly #splits: ReadonlyMap<string, Split>;

  constructor(rows: readonly (readonly [own: string, split: Split])[]) {
    this.#splits = new Map(rows);
  }

  /** @param own our path of a tensor, or of an adapter or optimiser state with the same shape */
  splitOf(own: string): Split | undefined {
    return this.#splits.get(layerPattern(own).pattern);
  }

  /** The part of `rank` of `ranks`. @throws InputError if the tensor cannot be cut so often */
  cut(own: string, view: TensorView, rank: number, ranks: number): TensorView {
    const split = this.splitOf(own);
    if (split === undefined || ranks === 1) return view;
    const { axis, blocks = 1 } = split;
    const size = (view.shape[axis] ?? 0) / blocks / ranks;
    if (!Number.isInteger(size))
      throw new InputError(
        `${own} has shape [${view.shape.join(', ')}]; ${ranks} ranks cannot share its dimension ${axis}` +
          `${blocks > 1 ? ` (${blocks} blocks)` : ''} evenly. Choose another model-parallel size.`,
      );
    const cut = axis === 0 ? sliceRows : sliceColumns;
    const starts = Array.from({ length: blocks }, (_, block) => (block * ranks + rank) * size);
    const parts = starts.map((start) => cut(view, start, start + size));
    return axis === 0 ? stackRows(parts) : stackColumns(parts);
  }

  /** The whole tensor from the parts of all ranks, in their order. */
  join(own: string, parts: readonly TensorView[]): TensorView {
    const split = this.splitOf(own);
    const [first] = parts;
    if (first === undefined) throw new RangeError(`${own} has no parts`);
    if (split === undefined || parts.length === 1) return first;
    const { axis, blocks = 1 } = split;
    const size = (first.shape[axis] ?? 0) / blocks;
    const cut = axis === 0 ? sliceRows : sliceColumns;
    const pieces = Array.from({ length: blocks }, (_, block) =>
      parts.map((part) => cut(part, block * size, (block + 1) * size)),
    ).flat();
    return axis === 0 ? stackRows(pieces) : stackColumns(pieces);
  }
}
