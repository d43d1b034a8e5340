/** An engine on the first of several ranks: what its pages and its model do, the others do as well. */
import type { AdapterSet } from '../../checkpoint/index.js';
import type { CausalLm, ModelPeers } from '../../models/index.js';
import { PagedKvCache, type PagedKvCacheOptions } from '../../nn/index.js';
import type { Tensor } from '../../tensor/index.js';
import { type Chunk, ModelRunner } from '../engine/model-runner.js';
import { loadTogether } from './load-together.js';
import { packMessages, type StepMessage } from './step-message.js';

let engines = 0;

export class StepLeader {
  readonly engine = engines++;
  readonly #peers: ModelPeers;
  /** What needs no answer goes with what is next. */
  readonly #waiting: StepMessage[] = [];
  #isBroken = false;

  constructor(peers: ModelPeers) {
    this.#peers = peers;
  }

  later(message: StepMessage): void {
    this.#waiting.push(message);
  }

  tell(message: StepMessage): void {
    // After a failure in the middle of a pass the others wait for its end, and for nothing else.
    if (this.#isBroken) return;
    this.together(() => this.#peers.tell(packMessages([...this.#waiting.splice(0), message])));
  }

  /** Runs what the others take part in. */
  together<Result>(body: () => Result): Result {
    let isDone = false;
    try {
      const result = body();
      isDone = true;
      return result;
    } finally {
      if (!isDone) this.#isBroken = true;
    }
  }

  loadAdapter(adapters: AdapterSet, name: string, path: string): void {
    this.tell({ kind: 'load-adapter', name, path });
    loadTogether(adapters, this.#peers, name, path);
  }

  unloadAdapter(adapters: AdapterSet, name: string): void {
    // An unknown name is refused before anybody hears of it.
    adapters.version(name);
    this.tell({ kind: 'unload-adapter', name });
    adapters.unload(name);
  }
}

/** Pages whose copies and masks the others make, too. */
export class LeadingKvCache extends PagedKvCache {
  readonly #leader: StepLeader;
  readonly #engine: number;

  constructor(options: PagedKvCacheOptions, leader: StepLeader) {
    super(options);
    this.#leader = leader;
    this.#engine = leader.engine;
    leader.later({ kind: 'open', engine: leader.engine, blocks: options.blocks, dtype: options.dtype });
  }

  override writeMask(block: number, bits: number): void {
    this.#leader.later({ kind: 'mask', engine: this.#engine, block, bits });
    super.writeMask(block, bits);
  }

  override copyBlock(from: number, to: number): void {
    this.#leader.later({ kind: 'copy', engine: this.#engine, from, to });
    super.copyBlock(from, to);
  }

  override dispose(): void {
    this.#leader.tell({ kind: 'close', engine: this.#engine });
    super.dispose();
  }
}

/** Passes that the others make, too. */
export class LeadingRunner extends ModelRunner {
  readonly #leader: StepLeader;
  readonly #adapters: AdapterSet | undefined;

  constructor(model: CausalLm, cache: PagedKvCache, adapters: AdapterSet | undefined, leader: StepLeader) {
    super(model, cache, adapters);
    this.#leader = leader;
    this.#adapters = adapters;
  }

  override run(chunks: readonly Chunk[]): Tensor {
    const names = this.#adapters?.names ?? [];
    this.#leader.tell({
      kind: 'run',
      engine: this.#leader.engine,
      chunks: chunks.map(({ adapter, ...chunk }) => ({
        ...chunk,
        adapter: adapter === undefined ? -1 : names.indexOf(adapter),
      })),
    });
    return this.#leader.together(() => super.run(chunks));
  }

  override head(hidden: Tensor, rows: readonly number[]): Tensor {
    this.#leader.tell({ kind: 'head', engine: this.#leader.engine, rows });
    return this.#leader.together(() => super.head(hidden, rows));
  }
}
