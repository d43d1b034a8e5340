/** Pairs by count, highest first; of equal counts the pair with the smaller left, then right symbol. */
export class PairHeap {
  readonly #counts: number[] = [];
  readonly #pairs: number[] = [];
  readonly #order: (a: number, b: number) => number;

  /** @param order of two pairs of equal count; negative if the first comes first. */
  constructor(order: (a: number, b: number) => number) {
    this.#order = order;
  }

  get size(): number {
    return this.#pairs.length;
  }

  push(pair: number, count: number): void {
    let at = this.#pairs.push(pair) - 1;
    this.#counts.push(count);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#comesFirst(pair, count, this.#pairs[parent]!, this.#counts[parent]!)) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#pairs[at] = pair;
    this.#counts[at] = count;
  }

  /** The first pair with the count it was pushed with; undefined once empty. */
  pop(): { readonly pair: number; readonly count: number } | undefined {
    const lastPair = this.#pairs.pop();
    const lastCount = this.#counts.pop();
    if (lastPair === undefined || lastCount === undefined) return undefined;
    const size = this.#pairs.length;
    if (size === 0) return { pair: lastPair, count: lastCount };
    const top = { pair: this.#pairs[0]!, count: this.#counts[0]! };
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#precedes(child + 1, child)) child += 1;
      if (!this.#comesFirst(this.#pairs[child]!, this.#counts[child]!, lastPair, lastCount)) break;
      this.#move(child, at);
      at = child;
    }
    this.#pairs[at] = lastPair;
    this.#counts[at] = lastCount;
    return top;
  }

  #precedes(a: number, b: number): boolean {
    return this.#comesFirst(this.#pairs[a]!, this.#counts[a]!, this.#pairs[b]!, this.#counts[b]!);
  }

  #comesFirst(pair: number, count: number, otherPair: number, otherCount: number): boolean {
    return count !== otherCount ? count > otherCount : this.#order(pair, otherPair) < 0;
  }

  #move(from: number, to: number): void {
    this.#pairs[to] = this.#pairs[from]!;
    this.#counts[to] = this.#counts[from]!;
  }
}
