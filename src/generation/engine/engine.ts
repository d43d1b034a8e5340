/**
 * The engine: requests in, tokens out, one forward pass a step for all of them. It knows ids only; text is the business
 * of TextEngine. Everything is synchronous and in one thread: who calls `step` decides when.
 *
 * The tokens of a request do not depend on what else runs: rows of a product, of a norm and of attention do not depend
 * on their neighbours, so the same ids come alone, in a crowd, in pieces, and out of the prefix cache.
 */
import type { AdapterSet } from '../../checkpoint/index.js';
import { InputError } from '../../errors/index.js';
import type { CausalLm } from '../../models/index.js';
import { ABSENT_BLOCK, PagedKvCache } from '../../nn/index.js';
import { liveTensorCount } from '../../tensor/index.js';
import type { TokenLogProbs } from '../log-probs.js';
import { LeadingKvCache, LeadingRunner, StepLeader } from '../ranks/step-leader.js';
import type { EngineStats, GenerationRequest, SequenceEnd } from '../requests.js';
import { BlockPool } from './block-pool.js';
import { checkRequest, type EngineLimits } from './check-request.js';
import { createTask } from './create-task.js';
import { type EngineOptions, resolveOptions } from './engine-options.js';
import { withoutLeftPadding } from './left-padding.js';
import { ModelRunner } from './model-runner.js';
import { PromptLogProbsCollector } from './prompt-log-probs-collector.js';
import { Scheduler } from './scheduler.js';
import { StepRunner } from './step-runner.js';
import { attempt, type BeamIds, type ScheduledTask } from './task.js';

/** What a step brought to one request, in ids. */
export interface EngineEvent {
  readonly id: string;
  readonly ids: readonly number[];
  readonly logProbs: readonly TokenLogProbs[] | undefined;
  /** Once, when the whole prompt has run. */
  readonly promptLogProbs: readonly (TokenLogProbs | null)[] | undefined;
  readonly beams: readonly BeamIds[] | undefined;
  /** With the end of a request whose hidden states are pooled. [D] */
  readonly embedding: Float32Array | undefined;
  /** Set on the last event of a request. */
  readonly end: SequenceEnd | undefined;
  /** In place of `end`: why the request cannot go on. */
  readonly error: Error | undefined;
}

const STEP_SIZES_KEPT = 1024;

const nothing = {
  ids: [],
  logProbs: undefined,
  promptLogProbs: undefined,
  beams: undefined,
  embedding: undefined,
  end: undefined,
} as const;

export class Engine {
  readonly #model: CausalLm;
  readonly #options: ReturnType<typeof resolveOptions>;
  readonly #pool: BlockPool;
  readonly #cache: PagedKvCache;
  readonly #runner: StepRunner;
  readonly #scheduler: Scheduler;
  readonly #adapters: AdapterSet | undefined;
  /** undefined: this process has the whole model. */
  readonly #leader: StepLeader | undefined;
  readonly #tasks = new Map<string, ScheduledTask>();
  /** Those that have logits and wait to be told which tokens may come. */
  readonly #held = new Set<ScheduledTask>();
  #arrivals = 0;
  /** Nothing could run the last time, and nothing has changed since. */
  #isStalled = false;
  #steps = 0;
  #generatedTokens = 0;
  #stepTokens: number[] = [];
  /** Called when there is work again without a call from outside: a text that waited for its mask can go on. */
  onReady: (() => void) | undefined;

  /** @throws InputError for options out of range */
  constructor(model: CausalLm, options: EngineOptions = {}) {
    const resolved = resolveOptions(model, options);
    this.#model = model;
    this.#options = resolved;
    this.#adapters = options.adapters;
    this.#pool = new BlockPool(resolved.blocks);
    const pages = {
      layers: model.shape.numLayers,
      blocks: resolved.blocks,
      numKvHeads: model.ownKvHeads,
      headDim: model.shape.headDim,
      dtype: resolved.kvDType,
      device: model.device,
      window: model.layers.map((_, layer) => model.slidingWindows[layer]),
    };
    const leader = model.peers && new StepLeader(model.peers);
    this.#leader = leader;
    this.#cache = leader === undefined ? new PagedKvCache(pages) : new LeadingKvCache(pages, leader);
    this.#scheduler = new Scheduler(model, this.#pool, resolved);
    const { adapters } = options;
    const runner =
      leader === undefined
        ? new ModelRunner(model, this.#cache, adapters)
        : new LeadingRunner(model, this.#cache, adapters, leader);
    this.#runner = new StepRunner(runner, this.#pool, this.#cache);
  }

  get limits(): EngineLimits {
    const { blocks, maxLength } = this.#options;
    return { vocabSize: this.#model.shape.vocabSize, maxLength, blocks };
  }

  /** True while a step has something to run. */
  get hasWork(): boolean {
    return this.#tasks.size > 0 && !this.#isStalled;
  }

  get stats(): EngineStats {
    const { waiting, running, preemptions, prefixQueries, prefixHits } = this.#scheduler;
    const stepTokens = this.#stepTokens;
    this.#stepTokens = [];
    return {
      running: running.length,
      waiting: waiting.length,
      waitingTokens: waiting.reduce((sum, { task }) => sum + task.request.promptIds.length, 0),
      blocks: this.#pool.size,
      freeBlocks: this.#pool.free,
      steps: this.#steps,
      promptTokens: this.#runner.promptTokens,
      generatedTokens: this.#generatedTokens,
      preemptions,
      prefixCacheQueries: prefixQueries,
      prefixCacheHits: prefixHits,
      draftTokens: this.#runner.draftTokens,
      acceptedDraftTokens: this.#runner.acceptedDraftTokens,
      liveTensors: liveTensorCount(),
      stepTokens,
    };
  }

  /** @throws InputError for a request that cannot be served */
  check(request: GenerationRequest): void {
    checkRequest(request, { ...this.limits, adapters: this.#adapters?.names ?? [] });
  }

  /**
   * Queues a request. @param id names it in events; not in use
   * @throws InputError for a request that cannot be served
   */
  submit(id: string, request: GenerationRequest): void {
    if (this.#tasks.has(id))
      throw new InputError(`generation: request ${JSON.stringify(id)} is already under way.`);
    this.check(request);
    const scheduled: ScheduledTask = {
      task: createTask(id, this.#model.rotatesTextsApart ? withoutLeftPadding(request) : request, {
        model: this.#model,
        adapters: this.#adapters,
        maxDrafts: this.#options.maxDrafts,
        onReady: () => {
          this.#isStalled = false;
          this.onReady?.();
        },
      }),
      promptLogProbsCollector:
        request.promptLogProbs === undefined ? undefined : new PromptLogProbsCollector(request),
      priority: request.priority ?? 0,
      arrival: this.#arrivals++,
      submittedAt: performance.now(),
      startedAt: undefined,
      firstTokenAt: undefined,
      cachedTokens: 0,
      generatedTokens: 0,
      isPaused: false,
      error: undefined,
    };
    this.#tasks.set(id, scheduled);
    this.#scheduler.add(scheduled);
    this.#isStalled = false;
  }

  /** Ends a request now; no event follows. Unknown ids are ignored: it may just have ended. */
  cancel(id: string): void {
    const scheduled = this.#tasks.get(id);
    if (scheduled !== undefined) this.#remove(scheduled);
  }

  /** Ends a request whose text has reached a stop string, and reports on it. */
  stop(id: string, stopReason: string): SequenceEnd | undefined {
    const scheduled = this.#tasks.get(id);
    if (scheduled === undefined) return undefined;
    this.#remove(scheduled);
    return report(scheduled, 'stop', stopReason);
  }

  /** @throws InputError for a name that is taken, a folder that is no adapter of this model */
  loadAdapter(name: string, path: string): void {
    const adapters = this.#adapterSet();
    if (this.#leader === undefined) adapters.load(name, path);
    else this.#leader.loadAdapter(adapters, name, path);
  }

  /** @throws InputError for an unknown name, and while requests use it */
  unloadAdapter(name: string): void {
    const users = [...this.#tasks.values()].filter(({ task }) => task.request.adapter === name).length;
    if (users > 0) throw new InputError(`adapter ${JSON.stringify(name)}: ${users} requests use it.`);
    const adapters = this.#adapterSet();
    if (this.#leader === undefined) adapters.unload(name);
    else this.#leader.unloadAdapter(adapters, name);
  }

  #adapterSet(): AdapterSet {
    if (this.#adapters !== undefined) return this.#adapters;
    throw new InputError('adapters: this engine was made without any; give it an AdapterSet.');
  }

  /** Runs no more tokens for a request until `resume`. */
  pause(id: string): void {
    const scheduled = this.#tasks.get(id);
    if (scheduled !== undefined) scheduled.isPaused = true;
  }

  resume(id: string): void {
    const scheduled = this.#tasks.get(id);
    if (scheduled === undefined) return;
    scheduled.isPaused = false;
    this.#isStalled = false;
  }

  /**
   * One forward pass. Gives an event for each request that has something new. A text whose next mask is not there yet sits
   * it out.
   */
  step(): EngineEvent[] {
    // Before the plan: what they choose runs in this pass.
    const events = this.#takeHeld();
    const start = performance.now();
    const chunks = this.#scheduler.plan();
    if (chunks.length === 0) {
      this.#isStalled = true;
      return events;
    }
    for (const { scheduled } of chunks) scheduled.startedAt ??= start;
    this.#runner.run(chunks);
    const tokens = chunks.reduce((sum, { count, drafts }) => sum + count + drafts.length, 0);
    const end = performance.now();
    this.#scheduler.measured(tokens, end - start);
    this.#steps += 1;
    if (this.#stepTokens.length < STEP_SIZES_KEPT) this.#stepTokens.push(tokens);
    const stepped = new Set(chunks.map(({ scheduled }) => scheduled));
    for (const scheduled of stepped) {
      this.#scheduler.settle(scheduled);
      if (scheduled.task.isHeld) this.#held.add(scheduled);
    }
    return [...events, ...this.#events(stepped, end)];
  }

  #takeHeld(): EngineEvent[] {
    const taken = new Set<ScheduledTask>();
    for (const scheduled of this.#held) {
      if (scheduled.isPaused) continue;
      const isTaken = attempt(scheduled, () => scheduled.task.takeHeld());
      if (isTaken !== false) taken.add(scheduled);
      if (!scheduled.task.isHeld) this.#held.delete(scheduled);
    }
    return this.#events(taken, performance.now());
  }

  /** Forgets cached prefixes that no running request holds, for a measurement from a cold start. */
  resetPrefixCache(): void {
    this.#pool.evictCached();
  }

  /** @throws RangeError if the blocks in the books are not those that the requests hold, for tests */
  verify(): void {
    const sequences = [...this.#tasks.values()].flatMap(({ task }) => task.sequences);
    this.#pool.verify(sequences.flatMap(({ blocks }) => blocks.filter((block) => block !== ABSENT_BLOCK)));
    for (const sequence of sequences) sequence.verify(this.#pool);
  }

  dispose(): void {
    for (const scheduled of [...this.#tasks.values()]) this.#remove(scheduled);
    this.#runner.dispose();
    this.#cache.dispose();
  }

  #events(stepped: ReadonlySet<ScheduledTask>, now: number): EngineEvent[] {
    const events: EngineEvent[] = [];
    for (const scheduled of stepped) {
      const { task } = scheduled;
      const output =
        scheduled.error ?? attempt(scheduled, () => task.endStep({ pool: this.#pool, cache: this.#cache }));
      if (scheduled.error !== undefined || output === undefined || output instanceof Error) {
        this.#remove(scheduled);
        events.push({ ...nothing, id: task.id, error: scheduled.error });
        continue;
      }
      const { ids, logProbs, beams, embedding } = output;
      scheduled.generatedTokens += ids.length;
      this.#generatedTokens += ids.length;
      // The ids of beams come at the end only.
      const hasToken = task.sequences.some(({ tokens, promptLength }) => tokens.length > promptLength);
      if (ids.length > 0 || hasToken) scheduled.firstTokenAt ??= now;
      const isPromptDone = task.sequences.some(({ computed, promptLength }) => computed >= promptLength);
      const promptLogProbs = isPromptDone ? scheduled.promptLogProbsCollector?.take() : undefined;
      const { finish } = task;
      if (ids.length === 0 && promptLogProbs === undefined && finish === undefined) continue;
      if (finish !== undefined) this.#remove(scheduled);
      const end = finish === undefined ? undefined : report(scheduled, finish.reason, finish.stopId);
      events.push({ id: task.id, ids, logProbs, promptLogProbs, beams, embedding, end, error: undefined });
    }
    return events;
  }

  #remove(scheduled: ScheduledTask): void {
    this.#tasks.delete(scheduled.task.id);
    this.#held.delete(scheduled);
    this.#scheduler.remove(scheduled);
    scheduled.task.dispose();
    this.#isStalled = false;
  }
}

function report(
  { task, submittedAt, startedAt, firstTokenAt, cachedTokens, generatedTokens }: ScheduledTask,
  finishReason: SequenceEnd['finishReason'],
  stopReason: SequenceEnd['stopReason'],
): SequenceEnd {
  const now = performance.now();
  const started = startedAt ?? now;
  const firstToken = firstTokenAt ?? now;
  return {
    finishReason,
    stopReason,
    promptTokens: task.request.promptIds.length,
    cachedTokens,
    generatedTokens,
    queueMs: started - submittedAt,
    prefillMs: firstToken - started,
    decodeMs: now - firstToken,
  };
}
