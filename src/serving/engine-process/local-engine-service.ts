/** An engine in this process as a service, for tests and small tools. */
import { messageOf } from '../../errors/index.js';
import type { EngineStats, TextEvent, TextRequest } from '../../generation/index.js';
import {
  type AdapterInfo,
  type EngineService,
  type EngineState,
  EngineUnavailableError,
} from '../engine-service.js';
import { AdapterList } from './adapter-list.js';
import { Admission, type QueueLimits } from './admission.js';
import { checkRequest } from './check-request.js';
import { RequestDesk } from './request-desk.js';
import { StatsKeeper } from './stats-keeper.js';
import { StepLoop } from './step-loop.js';
import type { StartedEngine } from './stepping-engine.js';

export interface LocalEngineOptions {
  /** Default: no bound. */
  readonly queue?: QueueLimits | undefined;
  /** Adapters that the engine has already. */
  readonly adapters?: readonly AdapterInfo[] | undefined;
}

const NO_LIMITS: QueueLimits = {
  maxRequests: Number.POSITIVE_INFINITY,
  maxTokens: Number.POSITIVE_INFINITY,
};

export class LocalEngineService implements EngineService {
  readonly isResponsive = true; // who asks has the thread that steps
  readonly #started: StartedEngine;
  readonly #loop: StepLoop;
  readonly #desk: RequestDesk;
  readonly #admission: Admission;
  readonly #adapters: AdapterList;
  readonly #stats = new StatsKeeper();
  #state: EngineState = { kind: 'ready' };

  /** Owns the engine: `close` disposes it. */
  constructor(started: StartedEngine, { queue = NO_LIMITS, adapters = [] }: LocalEngineOptions = {}) {
    this.#started = started;
    this.#loop = new StepLoop(started.engine, {
      onStep: (_, events) => {
        for (const { id, event, error } of events)
          if (event === undefined) this.#desk.fail(id, error);
          else this.#desk.deliver(id, event);
      },
      onFailure: (error) => this.#fail(error),
    });
    this.#admission = new Admission(queue);
    this.#desk = new RequestDesk(this.#loop, () => this.#admission.started());
    this.#adapters = new AdapterList(adapters);
  }

  get state(): EngineState {
    return this.#state;
  }

  get stats(): EngineStats {
    this.#stats.absorb(this.#started.engine.stats);
    return this.#stats.take();
  }

  get maxModelLength(): number {
    return this.#started.limits.maxModelLength;
  }

  get adapters(): readonly AdapterInfo[] {
    return this.#adapters.loaded;
  }

  generate(request: TextRequest, signal?: AbortSignal): AsyncIterable<TextEvent> {
    this.#checkState();
    checkRequest(request, this.#started.limits, this.#adapters.loaded);
    this.#stats.absorb(this.#started.engine.stats);
    const { waiting, waitingTokens } = this.#stats.latest;
    this.#admission.check({ requests: waiting, tokens: waitingTokens }, request.promptIds.length);
    return this.#desk.open(request, signal);
  }

  async loadAdapter(adapter: AdapterInfo): Promise<void> {
    this.#checkState();
    await this.#adapters.add(adapter, () => this.#started.engine.loadAdapter(adapter.name, adapter.path));
  }

  async unloadAdapter(name: string): Promise<void> {
    await this.#adapters.remove(
      name,
      () => this.#desk.adapterIdle(name),
      () => this.#started.engine.unloadAdapter(name),
    );
  }

  close(): Promise<void> {
    if (this.#state.kind !== 'failed' || this.#state.detail !== CLOSED) {
      this.#loop.end();
      this.#state = { kind: 'failed', detail: CLOSED };
      this.#desk.failAll(new EngineUnavailableError(CLOSED));
      this.#started.engine.dispose();
    }
    return Promise.resolve();
  }

  #checkState(): void {
    if (this.#state.kind === 'failed') throw new EngineUnavailableError(this.#state.detail);
  }

  #fail(error: unknown): void {
    const detail = `The engine failed: ${messageOf(error)}`;
    this.#state = { kind: 'failed', detail };
    this.#desk.failAll(error);
  }
}

const CLOSED = 'The engine is closed.';
