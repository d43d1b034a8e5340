/** One sequence in the engine: its tokens, and the blocks that hold their keys and values. */
import { ABSENT_BLOCK, BLOCK_SIZE, type PagedKvCache } from '../../nn/index.js';
import type { BlockPool } from './block-pool.js';
import { PrefixHashes } from './prefix-hash.js';

export interface SequenceOptions {
  readonly promptIds: readonly number[];
  /** 0 where a token of the prompt is masked. */
  readonly promptAttentionMask: readonly boolean[] | undefined;
  /** Tokens of this id are masked. */
  readonly maskedTokenId: number | undefined;
  /** What cached keys depend on beside tokens. */
  readonly hashContext: string;
  readonly adapter: string | undefined;
  readonly window: number | undefined;
}

export class Sequence {
  /** Prompt and generated tokens; drafts are never among them. */
  readonly tokens: number[];
  readonly promptLength: number;
  readonly adapter: string | undefined;
  /** Tokens whose keys and values lie in the cache. */
  computed = 0;
  /** Block of the pool for each logical one, as far as allocated. */
  readonly blocks: number[] = [];
  readonly #options: SequenceOptions;
  /** Where the search for the first unknown block of the prompt stands. */
  #knownBlocks = 0;
  #hashes: PrefixHashes;
  #registered = 0;
  /** Logical blocks before this one lie outside of the window and have been given back. */
  #dropped = 0;

  constructor(options: SequenceOptions, tokens: readonly number[] = options.promptIds) {
    this.#options = options;
    this.tokens = [...tokens];
    this.promptLength = options.promptIds.length;
    this.adapter = options.adapter;
    this.#hashes = new PrefixHashes(this.tokens, options.hashContext);
  }

  /** Tokens that have to run before the next can be chosen. */
  get pending(): number {
    return this.tokens.length - this.computed;
  }

  /**
   * Takes cached blocks of the longest known beginning; the last token always stays to be run.
   * @param limit tokens from this position on have to be run
   */
  reuse(pool: BlockPool, limit = Number.POSITIVE_INFINITY): number {
    const { window } = this.#options;
    const maxBlocks = Math.floor(Math.min(limit, this.tokens.length - 1) / BLOCK_SIZE);
    const found: (number | undefined)[] = [];
    for (let block = 0; block < maxBlocks; block++) {
      const cached = pool.find(this.#hashes.at(block));
      if (cached === undefined && window === undefined) break;
      found.push(cached);
    }
    const usable = usablePrefix(found, window);
    const first = usable === 0 ? 0 : firstVisibleBlock(usable * BLOCK_SIZE, window);
    for (let block = 0; block < usable; block++) {
      const cached = block < first ? undefined : found[block];
      if (cached !== undefined) pool.retain(cached);
      this.blocks.push(cached ?? ABSENT_BLOCK);
    }
    this.#dropped = first;
    this.#registered = usable;
    this.computed = usable * BLOCK_SIZE;
    return this.computed;
  }

  /**
   * The first full block of the prompt that is neither cached nor held: what another sequence may be computing. Asked at
   * every step while the sequence waits, so blocks once found are not looked for again.
   * @param limit as for `reuse`
   */
  nextPromptHash(pool: BlockPool, limit: number): string | undefined {
    const maxBlocks = Math.floor(Math.min(limit, this.promptLength - 1) / BLOCK_SIZE);
    for (; this.#knownBlocks < maxBlocks; this.#knownBlocks++) {
      const hash = this.#hashes.at(this.#knownBlocks);
      if (pool.find(hash) === undefined) return hash;
    }
    return undefined;
  }

  /** Hashes of the blocks of the prompt that are still to be computed. */
  *promptHashesToCompute(): Generator<string> {
    for (
      let block = Math.floor(this.computed / BLOCK_SIZE);
      (block + 1) * BLOCK_SIZE <= this.promptLength;
      block++
    )
      yield this.#hashes.at(block);
  }

  /** Blocks missing for `count` more tokens. */
  blocksMissing(count: number): number {
    return Math.max(0, Math.ceil((this.computed + count) / BLOCK_SIZE) - this.blocks.length);
  }

  /** Blocks missing until all known tokens have run. @param step tokens that run at a time at most */
  blocksToCome(step: number): number {
    const { window } = this.#options;
    const missing = this.blocksMissing(this.pending);
    return window === undefined ? missing : Math.min(missing, Math.ceil((window + step) / BLOCK_SIZE) + 1);
  }

  /** @throws RangeError if what is yet to be written lies in a block that another holds, for tests */
  verify(pool: BlockPool): void {
    for (const block of this.blocks.slice(Math.floor(this.computed / BLOCK_SIZE)))
      if (!pool.hasSingleOwner(block))
        throw new RangeError(`block ${block} is written to and held by another`);
  }

  /** Gets room for `count` more tokens; false (and nothing changed) if the pool has not enough. */
  reserve(count: number, pool: BlockPool): boolean {
    const missing = this.blocksMissing(count);
    if (missing > pool.free) return false;
    for (let index = 0; index < missing; index++) {
      const block = pool.allocate();
      if (block === undefined) throw new RangeError('the pool gave fewer blocks than it had');
      this.blocks.push(block);
    }
    return true;
  }

  /** Marks which of the next `ids` others may look at. */
  writeAttentionMask(
    ids: readonly number[],
    cache: Pick<PagedKvCache, 'hasMaskedTokens' | 'setAttentionMask'>,
  ): void {
    const { maskedTokenId, promptAttentionMask } = this.#options;
    const first = Math.floor(this.computed / BLOCK_SIZE);
    const last = Math.floor((this.computed + ids.length - 1) / BLOCK_SIZE);
    const held = this.blocks.slice(first, last + 1);
    const nothingMasked = maskedTokenId === undefined && promptAttentionMask === undefined;
    if (nothingMasked && !held.some((block) => cache.hasMaskedTokens(block))) return;
    const attended = ids.map(
      (id, index) => promptAttentionMask?.[this.computed + index] ?? id !== maskedTokenId,
    );
    cache.setAttentionMask(this.blocks, this.computed, attended);
  }

  /** Ends a step that has run `count` tokens: names the blocks that became full, gives back those out of the window. */
  advance(count: number, pool: BlockPool): void {
    this.computed += count;
    for (; (this.#registered + 1) * BLOCK_SIZE <= this.computed; this.#registered++) {
      const block = this.blocks[this.#registered] ?? ABSENT_BLOCK;
      if (block !== ABSENT_BLOCK) pool.register(block, this.#hashes.at(this.#registered));
    }
    const first = firstVisibleBlock(this.computed, this.#options.window);
    for (; this.#dropped < first; this.#dropped++) {
      const block = this.blocks[this.#dropped] ?? ABSENT_BLOCK;
      if (block !== ABSENT_BLOCK) pool.release(block);
      this.blocks[this.#dropped] = ABSENT_BLOCK;
    }
  }

  /** Gives all blocks back; what they hold may be found again. */
  release(pool: BlockPool): void {
    // The tail first: the beginning is what others share, and the longest unused goes first.
    for (const block of this.blocks.reverse()) if (block !== ABSENT_BLOCK) pool.release(block);
    this.blocks.length = 0;
    this.computed = 0;
    this.#registered = 0;
    this.#dropped = 0;
    this.#knownBlocks = 0;
  }

  /**
   * A second sequence with the same tokens. It shares the full blocks; the last, open one is copied, or computed again where
   * the pool has no block for the copy.
   */
  fork(pool: BlockPool, cache: Pick<PagedKvCache, 'copyBlock'>): Sequence {
    const twin = new Sequence(this.#options, this.tokens);
    const full = Math.floor(this.computed / BLOCK_SIZE);
    for (const block of this.blocks.slice(0, full)) {
      if (block !== ABSENT_BLOCK) pool.retain(block);
      twin.blocks.push(block);
    }
    twin.#dropped = this.#dropped;
    twin.#registered = Math.min(this.#registered, full);
    twin.computed = full * BLOCK_SIZE;
    const open = this.blocks[full];
    if (open === undefined || twin.computed === this.computed) return twin;
    const copy = pool.allocate();
    if (copy === undefined) return twin;
    cache.copyBlock(open, copy);
    twin.blocks.push(copy);
    twin.computed = this.computed;
    return twin;
  }
}

/** Logical blocks before this one hold no token that the token at `position` or a later one sees. */
function firstVisibleBlock(position: number, window: number | undefined): number {
  return window === undefined ? 0 : Math.floor(Math.max(0, position - window + 1) / BLOCK_SIZE);
}

/** The most blocks n such that all that the token behind them sees are found. */
function usablePrefix(found: readonly (number | undefined)[], window: number | undefined): number {
  if (window === undefined) return found.length;
  let run = 0; // found blocks that end at `block`
  let usable = 0;
  for (const [block, cached] of found.entries()) {
    run = cached === undefined ? 0 : run + 1;
    if (block + 1 - run <= firstVisibleBlock((block + 1) * BLOCK_SIZE, window)) usable = block + 1;
  }
  return usable;
}
