/**
 * One forward pass over new tokens of many sequences, laid one after the other in a single row.
 *
 * Shapes: T tokens of all sequences, D hidden, R rows with logits, V vocabulary, E head_dim, C key tables, S positions.
 */
import type { AdapterSet } from '../../checkpoint/index.js';
import type { CausalLm, ForwardContext } from '../../models/index.js';
import { type PagedKvCache, type Rotary, rotaryTable } from '../../nn/index.js';
import { cat, intTensor, scope, stack, type Tensor } from '../../tensor/index.js';

/** Tokens of one sequence to be run. */
export interface Chunk {
  readonly ids: readonly number[];
  readonly position: number;
  readonly blocks: readonly number[];
  /** The length of the sequence that its rotary base depends on. */
  readonly length: number;
  readonly adapter: string | undefined;
}

const FIRST_TABLE = 512;
/** Rotations of later lengths that are kept, for families that turn cached keys. */
const KEPT_TABLES = 4;

export class ModelRunner {
  readonly #model: CausalLm;
  readonly #cache: PagedKvCache;
  readonly #adapters: AdapterSet | undefined;
  /** Rotations by rule: [S, E] from position 0 on. */
  readonly #tables = new Map<string, Rotary>();
  readonly #commonRule: string;
  #adapterOfToken: readonly (string | undefined)[] = [];

  constructor(model: CausalLm, cache: PagedKvCache, adapters: AdapterSet | undefined) {
    this.#model = model;
    this.#cache = cache;
    this.#adapters = adapters;
    this.#commonRule = rotaryKey(model, 1);
  }

  /** Runs in the caller's scope. @returns hidden states [1, T, D] */
  run(chunks: readonly Chunk[]): Tensor {
    const { device } = this.#model;
    const ids = chunks.flatMap((chunk) => chunk.ids);
    this.#adapterOfToken = chunks.flatMap(({ adapter, ids }) => ids.map(() => adapter));
    this.#adapters?.useRows(this.#adapterOfToken);
    const inputIds = intTensor(ids, [1, ids.length], { device });
    return this.#model.hiddenStates(inputIds, this.#createContext(chunks));
  }

  /** Of the pass that `run` made last. @param hidden [1, T, D] @param rows which of T @returns logits [R, V] */
  head(hidden: Tensor, rows: readonly number[]): Tensor {
    const tokens = hidden.size(1);
    const all = rows.length === tokens;
    this.#adapters?.useRows(rows.map((row) => this.#adapterOfToken[row]));
    const chosen = all
      ? hidden
      : hidden.indexSelect(1, intTensor(rows, undefined, { device: hidden.device }));
    return this.#model.logits(chosen).select(0, 0);
  }

  /**
   * Hidden states behind the final norm, of `count` tokens from the row `first` on.
   * @param hidden [1, T, D] @returns count * D
   */
  normed(hidden: Tensor, first: number, count: number): Float32Array {
    return scope(() => this.#model.finalNorm.forward(hidden.narrow(1, first, count)).toFloat32Array());
  }

  dispose(): void {
    for (const { cos, sin } of this.#tables.values()) {
      cos.dispose();
      sin.dispose();
    }
    this.#tables.clear();
  }

  #createContext(chunks: readonly Chunk[]): ForwardContext {
    const rules = [...new Set(chunks.map(({ length }) => rotaryKey(this.#model, length)))];
    const step = this.#cache.prepare(
      chunks.map(({ ids, position, blocks, length }) => ({
        count: ids.length,
        position,
        blocks,
        keyTable: rules.indexOf(rotaryKey(this.#model, length)),
      })),
      this.#model.cachesUnrotatedKeys ? this.#keyTables(chunks, rules) : undefined,
    );
    const rotary = this.#queryRotary(chunks);
    return {
      rotary,
      attend: (layer, q, k, v) => this.#cache.attend(layer, q, k, v, step),
      // Blocks in one call are the CPU's: other devices take kernels for the parts of one.
      pagedLayer:
        this.#model.cachesUnrotatedKeys || this.#model.device !== 'cpu'
          ? undefined
          : (layer) => this.#cache.layerOf(layer, rotary, step),
    };
  }

  /** Rotation of the new tokens: [T, E]. */
  #queryRotary(chunks: readonly Chunk[]): Rotary {
    const isCommon = chunks.every(({ length }) => rotaryKey(this.#model, length) === this.#commonRule);
    if (isCommon) {
      const end = Math.max(...chunks.map(({ position, ids }) => position + ids.length));
      const { cos, sin } = this.#table(1, end);
      const positions = chunks.flatMap(({ position, ids }) => ids.map((_, index) => position + index));
      const index = intTensor(positions, undefined, { device: cos.device });
      return { cos: cos.indexSelect(0, index), sin: sin.indexSelect(0, index) };
    }
    const parts = chunks.map(({ position, ids, length }) => this.#compute(length, position, ids.length));
    return { cos: cat(parts.map(({ cos }) => cos)), sin: cat(parts.map(({ sin }) => sin)) };
  }

  /** Rotations of all keys of the step, one table for each rule: [C, S, E]. */
  #keyTables(chunks: readonly Chunk[], rules: readonly string[]): Rotary {
    const end = Math.max(...chunks.map(({ position, ids }) => position + ids.length));
    const tables = rules.map((rule) => {
      const length = chunks.find((chunk) => rotaryKey(this.#model, chunk.length) === rule)?.length ?? 1;
      return this.#table(length, end);
    });
    // Only now: a step may need more of them than are kept.
    for (const other of [...this.#tables.keys()].slice(0, -KEPT_TABLES))
      if (other !== this.#commonRule && !rules.includes(other)) this.#forget(other);
    const shortest = Math.min(...tables.map(({ cos }) => cos.size(0)));
    const [only] = tables;
    if (tables.length === 1 && only !== undefined)
      return { cos: only.cos.unsqueeze(0), sin: only.sin.unsqueeze(0) };
    return {
      cos: stack(tables.map(({ cos }) => cos.narrow(0, 0, shortest))),
      sin: stack(tables.map(({ sin }) => sin.narrow(0, 0, shortest))),
    };
  }

  /** The kept table of a rule, at least `end` positions long. */
  #table(length: number, end: number): Rotary {
    const key = rotaryKey(this.#model, length);
    const old = this.#tables.get(key);
    if (old !== undefined && old.cos.size(0) >= end) return old;
    const size = Math.max(FIRST_TABLE, 2 ** Math.ceil(Math.log2(end)));
    const { cos, sin } = this.#compute(length, 0, size);
    this.#forget(key);
    const table = { cos: cos.keep(), sin: sin.keep() };
    this.#tables.set(key, table);
    return table;
  }

  #forget(key: string): void {
    const table = this.#tables.get(key);
    table?.cos.dispose();
    table?.sin.dispose();
    this.#tables.delete(key);
  }

  #compute(length: number, start: number, count: number): Rotary {
    const { computeDType: dtype, device, shape } = this.#model;
    const { headDim } = shape;
    return rotaryTable({
      start,
      length: count,
      headDim,
      ...this.#model.rotaryParameters(length),
      dtype,
      device,
    });
  }
}

/** Equal for lengths whose rotations are the same. */
export function rotaryKey(model: Pick<CausalLm, 'rotaryParameters'>, length: number): string {
  const { base, scale = 1 } = model.rotaryParameters(length);
  return `${base}*${scale}`;
}
