/** How each tensor of a model is split over tensor-parallel ranks ("model parallel" in MindSpore). */
import { InputError } from '../errors/index.js';
import { sliceColumns, sliceRows, stackColumns, stackRows, type TensorView } from '../formats/index.js';
import { adapterHalf } from './adapters/adapter-halves.js';
import { layerPattern } from './name-table.js';

export interface Split {
  /** The dimension that is cut. */
  readonly dim: 0 | 1;
  /** Equal blocks along it (a fused q|k|v has 3), each of which is cut. Default 1. */
  readonly blocks?: number;
  /**
   * Ranks may each hold the whole: MindFormers' vocab_emb_dp, and vocabularies that the ranks cannot share evenly. Default
   * false.
   */
  readonly mayBeWhole?: boolean;
  /** Heads of keys and values, which may be fewer than the ranks of a training: each then has all of them. Default false. */
  readonly isKeyValue?: boolean;
  /** The dimension that is cut in training, where it is another: of experts each, which are kept apart in files. */
  readonly trainedDim?: 1 | 2;
}

/** How a tensor is cut in training. */
export interface TrainedSplit {
  readonly dim: number;
  /** Equal parts along it, each of which is cut. */
  readonly blocks: number;
  readonly isKeyValue: boolean;
  /** Its rows are the vocabulary, which is cut where it may be uneven. */
  readonly isVocabulary: boolean;
}

/** A row for every tensor that is cut; every rank has the whole of the others. */
export class ShardingTable {
  readonly #splits: ReadonlyMap<string, Split>;
  /** How the weights of linear layers lie: [O, I] or [I, O]. */
  readonly linearLayout: 'out-in' | 'in-out';

  constructor(
    rows: readonly (readonly [path: string, split: Split])[],
    linearLayout: 'out-in' | 'in-out' = 'out-in',
  ) {
    this.#splits = new Map(rows);
    this.linearLayout = linearLayout;
  }

  /** The same with more rows. */
  with(rows: readonly (readonly [path: string, split: Split])[]): ShardingTable {
    return new ShardingTable([...this.#splits, ...rows], this.linearLayout);
  }

  /** @param path our path of a weight, or of half an adapter: its A [R, I] or B [O, R] is cut where its weight is */
  splitOf(path: string): Split | undefined {
    const { pattern } = layerPattern(path);
    const half = adapterHalf(pattern);
    if (half === undefined) return this.#splits.get(pattern);
    const split = this.#splits.get(`${half.layer}.weight`);
    const isOutputCut = split?.dim === (this.linearLayout === 'out-in' ? 0 : 1);
    if (split === undefined || isOutputCut !== (half.part === 'loraB')) return undefined;
    return { ...split, dim: half.part === 'loraB' ? 0 : 1 };
  }

  /** @param path our path of a parameter of the model itself; undefined: every rank has the whole */
  trainedSplitOf(path: string): TrainedSplit | undefined {
    const split = this.#splits.get(layerPattern(path).pattern);
    if (split === undefined) return undefined;
    const { dim, trainedDim = dim, blocks = 1, isKeyValue = false, mayBeWhole: isVocabulary = false } = split;
    return { dim: trainedDim, blocks, isKeyValue, isVocabulary };
  }

  /** The part of `rank` of `ranks`. @throws InputError if the tensor cannot be cut so often */
  cut(path: string, view: TensorView, rank: number, ranks: number): TensorView {
    const split = this.splitOf(path);
    if (split === undefined || ranks === 1) return view;
    const { dim, blocks = 1, mayBeWhole = false } = split;
    const size = (view.shape[dim] ?? Number.NaN) / blocks / ranks;
    if (mayBeWhole && !Number.isInteger(size)) return view;
    if (!Number.isInteger(size) || size === 0)
      throw new InputError(
        `${path} has shape [${view.shape.join(', ')}]; ${ranks} ranks cannot share its dimension ${dim}` +
          `${blocks > 1 ? ` (${blocks} blocks)` : ''} evenly. Choose another model-parallel size.`,
      );
    const cut = dim === 0 ? sliceRows : sliceColumns;
    const starts = Array.from({ length: blocks }, (_, block) => (block * ranks + rank) * size);
    const parts = starts.map((start) => cut(view, start, start + size));
    return dim === 0 ? stackRows(parts) : stackColumns(parts);
  }

  /** Shapes that a rank's part of a tensor of this shape may have. */
  partShapes(path: string, shape: readonly number[], ranks: number): readonly (readonly number[])[] {
    const split = this.splitOf(path);
    if (split === undefined || ranks === 1) return [shape];
    const cut = shape.map((size, dim) => (dim === split.dim ? size / ranks : size));
    return split.mayBeWhole === true ? [cut, shape] : [cut];
  }

  /** The whole tensor from the parts of all ranks, in their order. */
  join(path: string, parts: readonly TensorView[]): TensorView {
    const split = this.splitOf(path);
    const [first] = parts;
    if (first === undefined) throw new RangeError(`${path} has no parts`);
    if (split === undefined || parts.length === 1) return first;
    const { dim, blocks = 1 } = split;
    const size = (first.shape[dim] ?? Number.NaN) / blocks;
    if (!Number.isInteger(size))
      throw new InputError(
        `the ranks' parts of ${path} have shape [${first.shape.join(', ')}], which is no part of ` +
          `${blocks > 1 ? `${blocks} blocks along ` : ''}dimension ${dim}; they belong to another model.`,
      );
    const cut = dim === 0 ? sliceRows : sliceColumns;
    const pieces = Array.from({ length: blocks }, (_, block) =>
      parts.map((part) => cut(part, block * size, (block + 1) * size)),
    ).flat();
    return dim === 0 ? stackRows(pieces) : stackColumns(pieces);
  }
}
