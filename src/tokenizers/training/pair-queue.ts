/** A priority queue of pairs by count, highest first: a list for each count, and a heap by rank among the highest. */

const NONE = -1;

export interface PairOrder {
  /** The pair's count now. It may have fallen since the pair was put in. */
  count(pair: number): number;
  /** Whether `a` comes before `b` where both are equally frequent. */
  precedes(a: number, b: number): boolean;
}

/**
 * Counts mostly fall, and most pairs never become the most frequent one; so a pair is only moved to the list of its
 * true count when its old list comes up, and only the pairs of the count that has come up are compared with each other.
 */
export class PairQueue {
  readonly #order: PairOrder;
  /** First node of each count's list. */
  readonly #heads = new Map<number, number>();
  /** Counts that have a list, as a heap. */
  readonly #levels: number[] = [];
  /** Two numbers a node: its pair, the next node. A pair whose count rose may have several. */
  #nodes = new Int32Array(2048);
  #numNodes = 0;
  /** Nodes to be used again. */
  #free = NONE;
  /** The pairs of the count `#level`, as a heap by rank. */
  #top: number[] = [];
  #level = 0;

  constructor(order: PairOrder) {
    this.#order = order;
  }

  /** Puts a pair into the list of its count. A pair that is in already may be put in again once its count has risen. */
  push(pair: number): void {
    const count = this.#order.count(pair);
    if (count <= 0) return;
    if (count === this.#level) {
      pushHeap(this.#top, pair, (a, b) => this.#order.precedes(a, b));
      return;
    }
    if (count > this.#level && this.#level > 0) this.#putBack();
    this.#list(pair, count);
  }

  /** The most frequent pair, -1 if none is left. */
  pop(): number {
    for (;;) {
      while (this.#top.length > 0) {
        const pair = popHeap(this.#top, (a, b) => this.#order.precedes(a, b));
        const count = this.#order.count(pair);
        if (count === this.#level) return pair;
        if (count > 0) this.#list(pair, count);
      }
      this.#level = 0;
      if (this.#levels.length === 0) return NONE;
      const level = popHeap(this.#levels, greater);
      const top: number[] = [];
      let next = this.#heads.get(level)!;
      this.#heads.delete(level);
      for (let node = next; node !== NONE; node = next) {
        const pair = this.#nodes[node * 2]!;
        next = this.#nodes[node * 2 + 1]!;
        this.#nodes[node * 2 + 1] = this.#free;
        this.#free = node;
        const count = this.#order.count(pair);
        if (count === level) top.push(pair);
        else if (count > 0) this.#list(pair, count);
      }
      this.#level = level;
      // A heap is made in one go; a sorted array is one.
      this.#top = top.sort((a, b) => (this.#order.precedes(a, b) ? -1 : 1));
    }
  }

  /** A count above the present one has come up: the pairs of the present one wait again. */
  #putBack(): void {
    const top = this.#top;
    this.#top = [];
    this.#level = 0;
    for (const pair of top) {
      const count = this.#order.count(pair);
      if (count > 0) this.#list(pair, count);
    }
  }

  #list(pair: number, count: number): void {
    const node = this.#newNode();
    const head = this.#heads.get(count);
    if (head === undefined) pushHeap(this.#levels, count, greater);
    this.#nodes[node * 2] = pair;
    this.#nodes[node * 2 + 1] = head ?? NONE;
    this.#heads.set(count, node);
  }

  #newNode(): number {
    const free = this.#free;
    if (free !== NONE) {
      this.#free = this.#nodes[free * 2 + 1]!;
      return free;
    }
    if (this.#numNodes * 2 === this.#nodes.length) {
      const nodes = new Int32Array(this.#nodes.length * 2);
      nodes.set(this.#nodes);
      this.#nodes = nodes;
    }
    return this.#numNodes++;
  }
}

const greater = (a: number, b: number): boolean => a > b;

function pushHeap(heap: number[], item: number, precedes: (a: number, b: number) => boolean): void {
  let at = heap.push(item) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!precedes(item, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = item;
}

/** The first of a heap that is not empty. */
function popHeap(heap: number[], precedes: (a: number, b: number) => boolean): number {
  const first = heap[0]!;
  const last = heap.pop()!;
  const size = heap.length;
  if (size === 0) return first;
  let at = 0;
  for (;;) {
    let child = at * 2 + 1;
    if (child >= size) break;
    if (child + 1 < size && precedes(heap[child + 1]!, heap[child]!)) child += 1;
    if (!precedes(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return first;
}
