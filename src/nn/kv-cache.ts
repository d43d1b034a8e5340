/**
 * Keys and values of the tokens already seen, layer by layer, for one batch that advances together.
 *
 * Shapes: B batch, H heads, T new tokens, S tokens to attend to, E head_dim.
 */
import { cat, empty, type Tensor } from '../tensor/index.js';

export interface KeysAndValues {
  readonly keys: Tensor; // [B, H, S, E]
  readonly values: Tensor; // [B, H, S, E]
}

export interface KvCache {
  /** Tokens seen so far: the position of the next one. */
  readonly length: number;
  /** Absolute positions of the S keys that `append` would give for `count` new tokens, in its order. */
  positions(count: number): number[];
  /** Adds the new tokens of one layer and gives all keys and values that they may look at, themselves last. */
  append(layer: number, keys: Tensor, values: Tensor): KeysAndValues;
  /** Ends a step: every layer has appended `count` tokens. */
  advance(count: number): void;
  dispose(): void;
}

interface LayerStore {
  keys: Tensor; // [B, H, capacity, E]
  values: Tensor;
}

const FIRST_CAPACITY = 64;

function emptyStore(like: Tensor, capacity: number): LayerStore {
  const [batch = 0, heads = 0, , headDim = 0] = like.shape;
  const make = (): Tensor =>
    empty([batch, heads, capacity, headDim], { dtype: like.dtype, device: like.device }).keep();
  return { keys: make(), values: make() };
}

function disposeStores(stores: (LayerStore | undefined)[]): void {
  for (const store of stores) {
    store?.keys.dispose();
    store?.values.dispose();
  }
  stores.length = 0;
}

/** Keeps every token; the room grows by doubling. */
export class GrowingKvCache implements KvCache {
  #length = 0;
  readonly #stores: (LayerStore | undefined)[] = [];

  get length(): number {
    return this.#length;
  }

  positions(count: number): number[] {
    return Array.from({ length: this.#length + count }, (_, index) => index);
  }

  append(layer: number, keys: Tensor, values: Tensor): KeysAndValues {
    const count = keys.size(2);
    const end = this.#length + count;
    const store = this.#withRoom(layer, keys, end);
    store.keys.narrow(2, this.#length, count).copy_(keys);
    store.values.narrow(2, this.#length, count).copy_(values);
    return { keys: store.keys.narrow(2, 0, end), values: store.values.narrow(2, 0, end) };
  }

  advance(count: number): void {
    this.#length += count;
  }

  dispose(): void {
    disposeStores(this.#stores);
    this.#length = 0;
  }

  #withRoom(layer: number, like: Tensor, end: number): LayerStore {
    const old = this.#stores[layer];
    if (old !== undefined && old.keys.size(2) >= end) return old;
    const grown = emptyStore(like, Math.max(FIRST_CAPACITY, end, 2 * (old?.keys.size(2) ?? 0)));
    if (old !== undefined) {
      grown.keys.narrow(2, 0, this.#length).copy_(old.keys.narrow(2, 0, this.#length));
      grown.values.narrow(2, 0, this.#length).copy_(old.values.narrow(2, 0, this.#length));
      disposeStores([old]);
    }
    this.#stores[layer] = grown;
    return grown;
  }
}

/**
 * Keeps the last `window` tokens only: token p lies in slot p mod window. A token that attends to at most `window`
 * tokens, itself included, finds all of them here.
 */
export class RingKvCache implements KvCache {
  #length = 0;
  readonly #window: number;
  readonly #stores: (LayerStore | undefined)[] = [];

  constructor(window: number) {
    this.#window = window;
  }

  get length(): number {
    return this.#length;
  }

  positions(count: number): number[] {
    if (count === 1) return this.#slotPositions(this.#length + 1);
    const past = Math.min(this.#length, this.#window);
    return Array.from({ length: past + count }, (_, index) => this.#length - past + index);
  }

  append(layer: number, keys: Tensor, values: Tensor): KeysAndValues {
    const count = keys.size(2);
    const store = this.#stores[layer] ?? emptyStore(keys, this.#window);
    this.#stores[layer] = store;
    if (count === 1) {
      // One query sees the whole ring, in whatever order it lies.
      const slot = this.#length % this.#window;
      const filled = Math.min(this.#length + 1, this.#window);
      store.keys.narrow(2, slot, 1).copy_(keys);
      store.values.narrow(2, slot, 1).copy_(values);
      return { keys: store.keys.narrow(2, 0, filled), values: store.values.narrow(2, 0, filled) };
    }
    // Several queries: the past in order of time, then the new tokens; afterwards the ring keeps the last ones.
    const all = {
      keys: cat([...this.#inOrder(store.keys), keys], 2),
      values: cat([...this.#inOrder(store.values), values], 2),
    };
    this.#store(store.keys, keys);
    this.#store(store.values, values);
    return all;
  }

  advance(count: number): void {
    this.#length += count;
  }

  dispose(): void {
    disposeStores(this.#stores);
    this.#length = 0;
  }

  /** Position held by each filled slot once `length` tokens have been seen. */
  #slotPositions(length: number): number[] {
    const filled = Math.min(length, this.#window);
    const last = length - 1;
    return Array.from({ length: filled }, (_, slot) => last - ((((last - slot) % filled) + filled) % filled));
  }

  #inOrder(ring: Tensor): Tensor[] {
    if (this.#length <= this.#window) return [ring.narrow(2, 0, this.#length)];
    const oldest = this.#length % this.#window;
    return [ring.narrow(2, oldest, this.#window - oldest), ring.narrow(2, 0, oldest)];
  }

  /** Writes the last tokens of `fresh` to their slots, in at most two pieces. */
  #store(ring: Tensor, fresh: Tensor): void {
    const count = Math.min(fresh.size(2), this.#window);
    const first = this.#length + fresh.size(2) - count;
    const slot = first % this.#window;
    const toEnd = Math.min(count, this.#window - slot);
    const source = fresh.narrow(2, fresh.size(2) - count, count);
    ring.narrow(2, slot, toEnd).copy_(source.narrow(2, 0, toEnd));
    if (toEnd < count) ring.narrow(2, 0, count - toEnd).copy_(source.narrow(2, toEnd, count - toEnd));
  }
}
