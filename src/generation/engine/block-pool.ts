/**
 * Reference counts and contents of the blocks of the paged cache. A block that nobody holds keeps its contents until it
 * is evicted, least recently used first, so that a later prompt with the same prefix finds it by its hash.
 */
export class BlockPool {
  readonly size: number;
  readonly #refCounts: Int32Array;
  readonly #hashes: (string | undefined)[];
  readonly #byHash = new Map<string, number>();
  /** Blocks that nobody holds and that hold nothing: the first to be taken. */
  readonly #empty: number[];
  /** Blocks that nobody holds, with contents; the longest unused first (a Set keeps the order of insertion). */
  readonly #cached = new Set<number>();

  constructor(size: number) {
    this.size = size;
    this.#refCounts = new Int32Array(size);
    this.#hashes = new Array<string | undefined>(size).fill(undefined);
    this.#empty = Array.from({ length: size }, (_, index) => size - 1 - index);
  }

  /** Blocks that can be allocated, cached ones among them. */
  get free(): number {
    return this.#empty.length + this.#cached.size;
  }

  /** A block with one holder and no contents; undefined if all are held. */
  allocate(): number | undefined {
    const block = this.#empty.pop() ?? this.#evict();
    if (block !== undefined) this.#refCounts[block] = 1;
    return block;
  }

  retain(block: number): void {
    const holders = this.#refCounts[block] ?? 0;
    if (holders === 0) this.#cached.delete(block);
    this.#refCounts[block] = holders + 1;
  }

  release(block: number): void {
    const holders = (this.#refCounts[block] ?? 0) - 1;
    if (holders < 0) throw new RangeError(`block ${block} is released more often than it was held`);
    this.#refCounts[block] = holders;
    if (holders > 0) return;
    if (this.#hashes[block] === undefined) this.#empty.push(block);
    else this.#cached.add(block);
  }

  /**
   * Says what a full block holds. Of two blocks with the same contents the first stays the one to be found, unless nobody
   * holds it: then it is free for something else.
   */
  register(block: number, hash: string): void {
    const known = this.#byHash.get(hash);
    if (known !== undefined) {
      if (!this.#cached.delete(known)) return;
      this.#hashes[known] = undefined;
      this.#empty.push(known);
    }
    this.#hashes[block] = hash;
    this.#byHash.set(hash, block);
  }

  /** The block with these contents; not yet retained. */
  find(hash: string): number | undefined {
    return this.#byHash.get(hash);
  }

  /** Forgets all contents that nobody holds. */
  evictCached(): void {
    for (let block = this.#evict(); block !== undefined; block = this.#evict()) this.#empty.push(block);
  }

  /**
   * Compares the books with what is held, for tests.
   * @param held every block once for each sequence that holds it
   * @throws RangeError for a block with too many or too few holders, in two lists, or found by a name that it has not
   */
  verify(held: Iterable<number>): void {
    const counts = new Int32Array(this.size);
    for (const block of held) counts[block] = (counts[block] ?? 0) + 1;
    const empty = new Set(this.#empty);
    if (empty.size !== this.#empty.length) throw new RangeError('a block is empty twice');
    for (let block = 0; block < this.size; block++) {
      const [holders, count, hash] = [this.#refCounts[block], counts[block], this.#hashes[block]];
      if (holders !== count)
        throw new RangeError(`block ${block} has ${holders} holders in the books, ${count} in fact`);
      const places = Number(empty.has(block)) + Number(this.#cached.has(block)) + Number(count !== 0);
      if (places !== 1) throw new RangeError(`block ${block} is in ${places} places`);
      const isNamed = hash !== undefined && this.#byHash.get(hash) === block;
      if (
        isNamed !== (hash !== undefined) ||
        (empty.has(block) && isNamed) ||
        (this.#cached.has(block) && !isNamed)
      )
        throw new RangeError(`block ${block} is found by a name that it has not`);
    }
  }

  /** @param block held by somebody @returns true while nobody else does */
  hasSingleOwner(block: number): boolean {
    return this.#refCounts[block] === 1;
  }

  #evict(): number | undefined {
    const [block] = this.#cached;
    if (block === undefined) return undefined;
    this.#cached.delete(block);
    const hash = this.#hashes[block];
    this.#hashes[block] = undefined;
    if (hash !== undefined) this.#byHash.delete(hash);
    return block;
  }
}
