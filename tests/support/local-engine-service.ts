/** An engine in this process as a service, from the parts that EngineProcess is made of. */
import { messageOf } from '../../src/errors/index.js';
import {
  checkRequest,
  type EngineStats,
  StepLoop,
  type TextEvent,
  type TextRequest,
} from '../../src/generation/index.js';
import { AdapterList } from '../../src/serving/engine-process/adapter-list.js';
import { Admission, type QueueLimits } from '../../src/serving/engine-process/admission.js';
import type { StartedEngine } from '../../src/serving/engine-process/engine-module.js';
import { OpenRequests } from '../../src/serving/engine-process/open-requests.js';
import { StatsTotals } from '../../src/serving/engine-process/stats-totals.js';
import {
  type AdapterInfo,
  type EngineService,
  type EngineState,
  EngineUnavailableError,
} from '../../src/serving/engine-service.js';

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
  readonly #requests: OpenRequests;
  readonly #admission: Admission;
  readonly #adapters: AdapterList;
  readonly #stats = new StatsTotals();
  #state: EngineState = { kind: 'ready' };

  /** Owns the engine: `close` disposes it. */
  constructor(started: StartedEngine, { queue = NO_LIMITS, adapters = [] }: LocalEngineOptions = {}) {
    this.#started = started;
    this.#loop = new StepLoop(started.engine, {
      onStep: (_, events) => {
        for (const { id, event, error } of events)
          if (event === undefined) this.#requests.fail(id, error);
          else this.#requests.deliver(id, event);
      },
      onFailure: (error) => this.#fail(error),
    });
    this.#admission = new Admission(queue);
    this.#requests = new OpenRequests(this.#loop, () => this.#admission.started());
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
    return this.#started.limits.maxLength;
  }

  get adapters(): readonly AdapterInfo[] {
    return this.#adapters.loaded;
  }

  generate(request: TextRequest, signal?: AbortSignal): AsyncIterable<TextEvent> {
    this.#checkState();
    const adapters = this.#adapters.loaded.map(({ name }) => name);
    checkRequest(request, { ...this.#started.limits, adapters });
    this.#stats.absorb(this.#started.engine.stats);
    const { waiting, waitingTokens } = this.#stats.latest;
    this.#admission.check({ requests: waiting, tokens: waitingTokens }, request.promptIds.length);
    return this.#requests.open(request, signal);
  }

  async loadAdapter(adapter: AdapterInfo): Promise<void> {
    this.#checkState();
    await this.#adapters.add(adapter, () => this.#started.engine.loadAdapter(adapter.name, adapter.path));
  }

  async unloadAdapter(name: string): Promise<void> {
    await this.#adapters.remove(
      name,
      () => this.#requests.adapterIdle(name),
      () => this.#started.engine.unloadAdapter(name),
    );
  }

  close(): Promise<void> {
    if (this.#state.kind !== 'failed' || this.#state.detail !== CLOSED) {
      this.#loop.end();
      this.#state = { kind: 'failed', detail: CLOSED };
      this.#requests.failAll(new EngineUnavailableError(CLOSED));
      this.#started.dispose();
    }
    return Promise.resolve();
  }

  #checkState(): void {
    if (this.#state.kind === 'failed') throw new EngineUnavailableError(this.#state.detail);
  }

  #fail(error: unknown): void {
    const detail = `The engine failed: ${messageOf(error)}`;
    this.#state = { kind: 'failed', detail };
    this.#requests.failAll(error);
  }
}

const CLOSED = 'The engine is closed.';
