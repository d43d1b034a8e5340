/**
 * Keys and values of many sequences in blocks of 16 tokens, which any sequence may hold in any order. Who holds which
 * block is the business of the scheduler above; here are only the pages themselves.
 *
 * Shapes: P blocks, H heads, K heads of keys and values (H is a multiple of K), E head_dim, T new tokens of all sequences
 * one after the other, N sequences, M blocks of the longest one.
 */
import {
  type DType,
  empty,
  type FloatDType,
  ones,
  operator,
  scope,
  type Tensor,
  tensorFromBytes,
} from '../tensor/index.js';
import type { Rotary } from './rotary.js';

const pagedAttention = operator('xinghe::paged_attention');

/** Tokens of a block; fixed in the kernel, whose vector lanes run over them. */
export const BLOCK_SIZE = 16;

/** A block that a sequence no longer holds: all of its tokens lie outside of the window. */
export const ABSENT_BLOCK = -1;

const SEQUENCE_COLUMNS = 4;

/** New tokens of one sequence. */
export interface PagedRows {
  /** Number of new tokens. */
  readonly count: number;
  /** Position of the first of them. */
  readonly position: number;
  /** Block of the pool for each logical block (position / 16); ABSENT_BLOCK where none. */
  readonly blocks: readonly number[];
  /** Which of the step's key tables turns its keys. */
  readonly keyTable: number;
}

/** What one forward pass does with the cache; the tensors live in the caller's scope. */
export interface PagedStep {
  readonly blockTables: Tensor; // int32 [N, M]
  readonly sequences: Tensor; // int32 [N, 4]: first row, rows, first position, key table
  /** Rotations of all keys, for families that cache them unrotated. */
  readonly keyTables: Rotary | undefined; // [C, S, E]
}

export interface PagedKvCacheOptions {
  readonly layers: number;
  readonly blocks: number;
  /** Heads of keys and values. */
  readonly numKvHeads: number;
  readonly headDim: number;
  /** int8 keeps one scale for each token and head. */
  readonly dtype: FloatDType | 'int8';
  readonly device: string;
  /** Tokens that a query sees at most, itself included: in every layer, or in each of them. */
  readonly window?: number | undefined | readonly (number | undefined)[];
}

/** The pages of one layer, and a step over them. */
export interface PagedLayer extends Pages {
  readonly attentionMask: Tensor;
  readonly blockTables: Tensor;
  readonly sequences: Tensor;
  /** 0: none. */
  readonly window: number;
  /** Of the new queries and keys. */
  readonly rotary: Rotary; // [T, E]
}

interface Pages {
  readonly keys: Tensor; // [P, K, E, 16]: lanes of a vector run over keys
  readonly values: Tensor; // [P, K, 16, E]
  readonly keyScales: Tensor | undefined; // float32 [P, K, 16]
  readonly valueScales: Tensor | undefined;
}

/** Bytes of one block over all layers. */
export function pagedBlockBytes({
  layers,
  numKvHeads,
  headDim,
  dtype,
}: Pick<PagedKvCacheOptions, 'layers' | 'numKvHeads' | 'headDim' | 'dtype'>): number {
  const width = { float64: 8, float32: 4, bfloat16: 2, float16: 2, int8: 1 }[dtype];
  const scales = dtype === 'int8' ? 4 : 0;
  return 2 * layers * numKvHeads * BLOCK_SIZE * (headDim * width + scales);
}

export class PagedKvCache {
  readonly #layers: readonly Pages[];
  readonly #windows: readonly number[]; // 0: none
  readonly #attentionMask: Tensor; // uint8 [P, 16]: 0 where masked
  /** The same as bits, to know what has to be written. */
  readonly #attentionBits: Uint16Array;

  constructor({ layers, blocks, numKvHeads, headDim, dtype, device, window }: PagedKvCacheOptions) {
    const make = (shape: readonly number[], type: DType): Tensor =>
      empty(shape, { dtype: type, device }).keep();
    const scales = (): Tensor | undefined =>
      dtype === 'int8' ? make([blocks, numKvHeads, BLOCK_SIZE], 'float32') : undefined;
    this.#layers = Array.from({ length: layers }, () => ({
      keys: make([blocks, numKvHeads, headDim, BLOCK_SIZE], dtype),
      values: make([blocks, numKvHeads, BLOCK_SIZE, headDim], dtype),
      keyScales: scales(),
      valueScales: scales(),
    }));
    if (typeof window === 'object' && window.length !== layers)
      throw new RangeError(`the cache has ${layers} layers; there are windows for ${window.length}`);
    this.#windows = this.#layers.map(
      (_, layer) => (typeof window === 'object' ? window[layer] : window) ?? 0,
    );
    this.#attentionMask = ones([blocks, BLOCK_SIZE], { dtype: 'uint8', device }).keep();
    this.#attentionBits = new Uint16Array(blocks).fill(0xffff);
  }

  /** The tables of a step, in the order of its rows. */
  prepare(rows: readonly PagedRows[], keyTables?: Rotary): PagedStep {
    const width = Math.max(1, ...rows.map(({ blocks }) => blocks.length));
    const tables = new Int32Array(rows.length * width).fill(ABSENT_BLOCK);
    const sequences = new Int32Array(rows.length * SEQUENCE_COLUMNS);
    let row = 0;
    for (const [index, { count, position, blocks, keyTable }] of rows.entries()) {
      tables.set(blocks, index * width);
      sequences.set([row, count, position, keyTable], index * SEQUENCE_COLUMNS);
      row += count;
    }
    const { device } = this.#attentionMask;
    const placed = (values: Int32Array, columns: number): Tensor =>
      tensorFromBytes(values, [rows.length, columns], 'int32').toDevice(device);
    return {
      blockTables: placed(tables, width),
      sequences: placed(sequences, SEQUENCE_COLUMNS),
      keyTables,
    };
  }

  /**
   * Stores the new keys and values and attends to all that each query may see.
   * @param q [1, H, T, E] @param k [1, K, T, E] @param v [1, K, T, E] @returns [1, H, T, E]
   */
  attend(layer: number, q: Tensor, k: Tensor, v: Tensor, step: PagedStep): Tensor {
    const pages = this.#pages(layer);
    return pagedAttention(
      q,
      k,
      v,
      pages.keys,
      pages.values,
      pages.keyScales,
      pages.valueScales,
      this.#attentionMask,
      step.blockTables,
      step.sequences,
      this.#windows[layer] ?? 0,
      step.keyTables?.cos,
      step.keyTables?.sin,
    );
  }

  /** What a layer's step reads and writes, for kernels that do more than attend. */
  layerOf(layer: number, rotary: Rotary, { blockTables, sequences }: PagedStep): PagedLayer {
    const attentionMask = this.#attentionMask;
    const window = this.#windows[layer] ?? 0;
    return { ...this.#pages(layer), attentionMask, blockTables, sequences, window, rotary };
  }

  #pages(layer: number): Pages {
    const pages = this.#layers[layer];
    if (pages === undefined) throw new RangeError(`the cache has no layer ${layer}`);
    return pages;
  }

  /** Says for tokens from `position` on which of them others may look at. */
  setAttentionMask(blocks: readonly number[], position: number, attended: readonly boolean[]): void {
    const changed = new Set<number>();
    for (const [index, isAttended] of attended.entries()) {
      const block = blocks[Math.floor((position + index) / BLOCK_SIZE)] ?? ABSENT_BLOCK;
      if (block === ABSENT_BLOCK) continue;
      const bit = 1 << ((position + index) % BLOCK_SIZE);
      const old = this.#attentionBits[block] ?? 0;
      const bits = isAttended ? old | bit : old & ~bit;
      if (bits === old) continue;
      this.#attentionBits[block] = bits;
      changed.add(block);
    }
    for (const block of changed) this.writeMask(block, this.#attentionBits[block] ?? 0);
  }

  /** @param bits of the tokens of the block, the first one lowest: 1 where others may look at it */
  writeMask(block: number, bits: number): void {
    this.#attentionBits[block] = bits;
    const bytes = Uint8Array.from({ length: BLOCK_SIZE }, (_, slot) => (bits >> slot) & 1);
    scope(() => {
      const fresh = tensorFromBytes(bytes, [BLOCK_SIZE], 'uint8');
      this.#attentionMask.select(0, block).copy_(fresh);
    });
  }

  /** True while the block has masked tokens, from whatever it held before. */
  hasMaskedTokens(block: number): boolean {
    return this.#attentionBits[block] !== 0xffff;
  }

  /** Copies a block, for a sequence that goes on differently from within it. */
  copyBlock(from: number, to: number): void {
    const copy = (pages: Tensor | undefined): void => {
      pages?.select(0, to).copy_(pages.select(0, from));
    };
    scope(() => {
      for (const { keys, values, keyScales, valueScales } of this.#layers) {
        copy(keys);
        copy(values);
        copy(keyScales);
        copy(valueScales);
      }
      if (this.#attentionBits[from] !== this.#attentionBits[to]) copy(this.#attentionMask);
    });
    this.#attentionBits[to] = this.#attentionBits[from] ?? 0xffff;
  }

  dispose(): void {
    for (const { keys, values, keyScales, valueScales } of this.#layers)
      for (const tensor of [keys, values, keyScales, valueScales]) tensor?.dispose();
    this.#attentionMask.dispose();
  }
}
