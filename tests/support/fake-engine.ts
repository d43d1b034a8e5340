/**
 * An EngineService without a model, for tests of what stands in front of one: answers what it is told to, keeps count of
 * what is under way, fails on demand.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { InputError } from '../../src/errors/index.js';
import type {
  EngineStats,
  FinishReason,
  TextEvent,
  TextRequest,
  TokenLogProbs,
} from '../../src/generation/index.js';
import type { AdapterInfo, EngineService, EngineState } from '../../src/serving/engine-service.js';
import { EngineUnavailableError, QueueFullError } from '../../src/serving/engine-service.js';

export interface FakeToken {
  readonly id: number;
  /** '' while a character is still open. */
  readonly text: string;
}

export interface FakeAnswer {
  readonly tokens: readonly FakeToken[];
  /** Default: `length` where maxNewTokens cut the tokens, else `stop`. */
  readonly finishReason?: FinishReason | undefined;
  readonly stopReason?: string | number | undefined;
}

export interface FakeEngineOptions {
  /** Default: "Hello, world!" and the end. */
  readonly answer?: ((request: TextRequest) => FakeAnswer) | undefined;
  /** Milliseconds before each token. Default 0. */
  readonly tokenDelay?: number | undefined;
  /** Requests under way at the same time; one more is a QueueFullError. Default: no limit. */
  readonly maxRequests?: number | undefined;
  /** Default 128. */
  readonly maxModelLength?: number | undefined;
}

const greeting: FakeAnswer = {
  tokens: ['Hello', ',', ' world', '!', ''].map((text, index) => ({
    id: 10 + index,
    text,
  })),
};

const noStats: EngineStats = {
  running: 0,
  waiting: 0,
  waitingTokens: 0,
  blocks: 64,
  freeBlocks: 64,
  steps: 0,
  promptTokens: 0,
  generatedTokens: 0,
  preemptions: 0,
  prefixCacheQueries: 0,
  prefixCacheHits: 0,
  draftTokens: 0,
  acceptedDraftTokens: 0,
  liveTensors: 0,
  stepTokens: [],
};

export class FakeEngine implements EngineService {
  state: EngineState = { kind: 'ready' };
  isResponsive = true;
  readonly maxModelLength: number;
  /** Added over what is counted, e.g. to script counters. */
  statsOverride: Partial<EngineStats> = {};
  /** Thrown by the next `generate` while iterating, after this many events. */
  failNext: { readonly error: unknown; readonly afterEvents: number } | undefined;
  /** Every request that came, in order. */
  readonly requests: TextRequest[] = [];
  /** Requests that ended before their last event was taken. */
  cancelled = 0;
  isClosed = false;
  readonly #options: FakeEngineOptions;
  readonly #adapters: AdapterInfo[] = [];
  #running = 0;
  #steps = 0;
  #promptTokens = 0;
  #generatedTokens = 0;
  #stepTokens: number[] = [];

  constructor(options: FakeEngineOptions = {}) {
    this.#options = options;
    this.maxModelLength = options.maxModelLength ?? 128;
  }

  get adapters(): readonly AdapterInfo[] {
    return this.#adapters;
  }

  /** Requests submitted and neither finished nor cancelled. */
  get running(): number {
    return this.#running;
  }

  get stats(): EngineStats {
    const stepTokens = this.#stepTokens;
    this.#stepTokens = [];
    return {
      ...noStats,
      running: this.#running,
      freeBlocks: 64 - this.#running,
      steps: this.#steps,
      promptTokens: this.#promptTokens,
      generatedTokens: this.#generatedTokens,
      stepTokens,
      ...this.statsOverride,
    };
  }

  generate(request: TextRequest, signal?: AbortSignal): AsyncIterable<TextEvent> {
    if (this.state.kind !== 'ready') throw new EngineUnavailableError(`the engine is ${this.state.kind}`);
    if (this.#running >= (this.#options.maxRequests ?? Number.POSITIVE_INFINITY))
      throw new QueueFullError(`${this.#running} requests are waiting already; ask again later`);
    const length = request.promptIds.length + request.maxNewTokens;
    if (length > this.maxModelLength)
      throw new InputError(`${length} tokens; the model has ${this.maxModelLength}`);
    this.requests.push(request);
    this.#running += 1;
    let isOpen = true;
    const close = (isCancelled: boolean): void => {
      if (!isOpen) return;
      isOpen = false;
      this.#running -= 1;
      if (isCancelled) this.cancelled += 1;
      signal?.removeEventListener('abort', cancel);
    };
    const cancel = (): void => close(true);
    if (signal?.aborted) cancel();
    else signal?.addEventListener('abort', cancel, { once: true });
    const failure = this.failNext;
    this.failNext = undefined;
    const events = this.#events(request, signal, failure);
    const iterator: AsyncIterator<TextEvent> = {
      next: async () => {
        if (!isOpen) return { done: true, value: undefined };
        try {
          const result = await events.next();
          if (result.done === true || result.value.end !== undefined) close(false);
          return result;
        } catch (error) {
          close(false);
          throw error;
        }
      },
      return: async () => {
        close(true);
        return { done: true, value: undefined };
      },
    };
    return { [Symbol.asyncIterator]: () => iterator };
  }

  async *#events(
    request: TextRequest,
    signal: AbortSignal | undefined,
    failure: FakeEngine['failNext'],
  ): AsyncGenerator<TextEvent> {
    const answer = this.#options.answer?.(request) ?? greeting;
    if (request.pooling !== undefined) {
      this.#promptTokens += request.promptIds.length;
      if (failure !== undefined) throw failure.error;
      const embedding = Float32Array.of(3, 4);
      yield { text: '', ids: [], embedding, end: end(request, 0, answer, false) };
      return;
    }
    const tokens = answer.tokens.slice(0, request.maxNewTokens);
    const isCut = tokens.length < answer.tokens.length;
    this.#promptTokens += request.promptIds.length;
    if (failure?.afterEvents === 0) throw failure.error;
    for (const [index, token] of tokens.entries()) {
      // An aborted wait is no failure: the loop that asked has ended, or is about to.
      await sleep(this.#options.tokenDelay ?? 0, undefined, { signal }).catch(() => undefined);
      if (signal?.aborted === true) return;
      this.#steps += 1;
      this.#generatedTokens += 1;
      this.#stepTokens.push(index === 0 ? request.promptIds.length : 1);
      const isLast = index === tokens.length - 1;
      yield {
        text: token.text,
        ids: [token.id],
        ...(request.logProbs === undefined ? {} : { logProbs: [fakeLogProbs(token.id, request.logProbs)] }),
        ...(index > 0 || request.promptLogProbs === undefined
          ? {}
          : { promptLogProbs: promptLogProbs(request.promptIds, request.promptLogProbs) }),
        ...(isLast ? { end: end(request, tokens.length, answer, isCut) } : {}),
      };
      if (failure?.afterEvents === index + 1) throw failure.error;
    }
    if (tokens.length === 0)
      yield {
        text: '',
        ids: [],
        ...(request.promptLogProbs === undefined
          ? {}
          : { promptLogProbs: promptLogProbs(request.promptIds, request.promptLogProbs) }),
        end: end(request, 0, answer, true),
      };
  }

  async loadAdapter(adapter: AdapterInfo): Promise<void> {
    if (this.#adapters.some(({ name }) => name === adapter.name))
      throw new InputError(`an adapter ${adapter.name} is loaded already`);
    this.#adapters.push(adapter);
  }

  async unloadAdapter(name: string): Promise<void> {
    const index = this.#adapters.findIndex((adapter) => adapter.name === name);
    if (index < 0) throw new InputError(`there is no adapter ${name}`);
    this.#adapters.splice(index, 1);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.state = { kind: 'failed', detail: 'closed' };
  }
}

/** Two ids more probable than all others, the chosen one first: -0.125, -0.25, … */
export function fakeLogProbs(id: number, numTop: number): TokenLogProbs {
  return {
    chosen: { id, logProb: -0.125 },
    top: Array.from({ length: numTop }, (_, place) => ({ id: id + place, logProb: -0.125 * (place + 1) })),
  };
}

function promptLogProbs(ids: readonly number[], numTop: number): (TokenLogProbs | null)[] {
  return ids.map((id, index) => (index === 0 ? null : fakeLogProbs(id, numTop)));
}

function end(
  request: TextRequest,
  generatedTokens: number,
  answer: FakeAnswer,
  isCut: boolean,
): NonNullable<TextEvent['end']> {
  return {
    finishReason: answer.finishReason ?? (isCut ? 'length' : 'stop'),
    stopReason: answer.stopReason,
    promptTokens: request.promptIds.length,
    cachedTokens: 0,
    generatedTokens,
    queueMs: 1,
    prefillMs: 2,
    decodeMs: 3,
  };
}
