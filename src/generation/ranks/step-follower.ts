/** What a rank behind the first one does: the passes that it is told of, on its part of the model and of the pages. */
import type { AdapterSet } from '../../checkpoint/index.js';
import { InputError } from '../../errors/index.js';
import type { CausalLm, ModelPeers } from '../../models/index.js';
import { PagedKvCache } from '../../nn/index.js';
import { noGrad, scope, type Tensor } from '../../tensor/index.js';
import { ModelRunner } from '../engine/model-runner.js';
import { withInvariantLinear } from '../engine/step-runner.js';
import { loadTogether } from './load-together.js';
import { type StepMessage, unpackMessages } from './step-message.js';

interface FollowedEngine {
  readonly cache: PagedKvCache;
  readonly runner: ModelRunner;
}

export class StepFollower {
  readonly #model: CausalLm;
  readonly #adapters: AdapterSet | undefined;
  readonly #peers: Pick<ModelPeers, 'gatherFaults'>;
  readonly #engines = new Map<number, FollowedEngine>();
  /** Of the last pass. */
  #hidden: Tensor | undefined; // [1, T, D]

  /** @param adapters that the first rank may load; the follower does not own it */
  constructor(model: CausalLm, adapters: AdapterSet | undefined, peers: Pick<ModelPeers, 'gatherFaults'>) {
    this.#model = model;
    this.#adapters = adapters;
    this.#peers = peers;
  }

  do(words: Int32Array): void {
    for (const message of unpackMessages(words)) this.#do(message);
  }

  dispose(): void {
    this.#forgetHidden();
    for (const engine of [...this.#engines.keys()]) this.#close(engine);
  }

  #do(message: StepMessage): void {
    switch (message.kind) {
      case 'open':
        this.#open(message);
        return;
      case 'close':
        this.#close(message.engine);
        return;
      case 'mask':
        this.#engine(message.engine).cache.writeMask(message.block, message.bits);
        return;
      case 'copy':
        this.#engine(message.engine).cache.copyBlock(message.from, message.to);
        return;
      case 'run':
        this.#run(message);
        return;
      case 'head':
        this.#head(message);
        return;
      case 'load-adapter':
        this.#load(message.name, message.path);
        return;
      case 'unload-adapter':
        this.#adapterSet().unload(message.name);
        return;
      default:
        message satisfies never;
    }
  }

  #open({ engine, blocks, dtype }: Extract<StepMessage, { kind: 'open' }>): void {
    const model = this.#model;
    const cache = new PagedKvCache({
      layers: model.shape.numLayers,
      blocks,
      numKvHeads: model.ownKvHeads,
      headDim: model.shape.headDim,
      dtype,
      device: model.device,
      window: model.layers.map((_, layer) => model.slidingWindows[layer]),
    });
    this.#engines.set(engine, { cache, runner: new ModelRunner(model, cache, this.#adapters) });
  }

  #close(engine: number): void {
    const { cache, runner } = this.#engine(engine);
    this.#engines.delete(engine);
    runner.dispose();
    cache.dispose();
  }

  #run({ engine, chunks }: Extract<StepMessage, { kind: 'run' }>): void {
    const names = this.#adapters?.names ?? [];
    const own = chunks.map(({ adapter, ...chunk }) => ({ ...chunk, adapter: names[adapter] }));
    this.#forgetHidden();
    asStep(() => {
      this.#hidden = this.#engine(engine).runner.run(own).keep();
    });
  }

  #head({ engine, rows }: Extract<StepMessage, { kind: 'head' }>): void {
    const hidden = this.#hidden;
    if (hidden === undefined) throw new RangeError('logits of no pass');
    asStep(() => {
      this.#engine(engine).runner.head(hidden, rows);
    });
  }

  #load(name: string, path: string): void {
    try {
      loadTogether(this.#adapterSet(), this.#peers, name, path);
    } catch (error) {
      // The first rank tells whoever asked for it.
      if (!(error instanceof InputError)) throw error;
    }
  }

  #adapterSet(): AdapterSet {
    if (this.#adapters === undefined) throw new RangeError('an adapter for a model without any');
    return this.#adapters;
  }

  #engine(engine: number): FollowedEngine {
    const found = this.#engines.get(engine);
    if (found === undefined) throw new RangeError(`no engine ${engine}`);
    return found;
  }

  #forgetHidden(): void {
    this.#hidden?.dispose();
    this.#hidden = undefined;
  }
}

function asStep(body: () => void): void {
  withInvariantLinear(() => noGrad(() => scope(body)));
}
