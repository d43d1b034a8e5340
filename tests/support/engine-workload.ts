/** Random workloads for the engine, and what must hold of every one of them. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { AdapterSet } from '../../src/checkpoint/index.js';
import { Engine, type EngineEvent } from '../../src/generation/engine/engine.js';
import type { EngineOptions } from '../../src/generation/engine/engine-options.js';
import type { GenerationRequest } from '../../src/generation/index.js';
import { type CausalLm, loadModel, parseArchitecture } from '../../src/models/index.js';
import { liveTensorCount } from '../../src/tensor/index.js';
import { goldenFolder, goldenModels } from './golden.js';
import { initialised, tinyTelechat } from './paged-forward.js';

export interface TimedRequest {
  readonly request: GenerationRequest;
  /** Steps of the engine before the request comes. */
  readonly at: number;
  /** Steps after its coming, if at all. */
  readonly pauseAfter: number | undefined;
  readonly pausedFor: number;
  readonly cancelAfter: number | undefined;
}

export interface Workload {
  readonly options: EngineOptions;
  readonly requests: readonly TimedRequest[];
}

/** What a request brought. */
export interface Outcome {
  readonly ids: number[];
  readonly logProbs: unknown[];
  readonly promptLogProbs: unknown[];
  readonly beams: unknown[];
  readonly ends: (EngineEvent['end'] | Error)[];
}

/** Few different ids, so that texts repeat themselves and drafts are right now and then. */
const id = fc.integer({ min: 3, max: 9 });
const rarely = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(value, { nil: undefined, freq: 3 });

const sampling = fc.oneof(
  fc.constant({}),
  fc.record({ temperature: fc.constantFrom(0.5, 1, 2), seed: fc.nat(1000) }),
  fc.record({
    temperature: fc.constantFrom(0, 1),
    seed: fc.nat(1000),
    repetitionPenalty: fc.constantFrom(1, 1.3),
    presencePenalty: fc.constantFrom(0, 0.5),
  }),
);

/** @param beginnings what prompts may begin with @param adapters that requests may name */
function arbitraryRequest(
  beginnings: readonly (readonly number[])[],
  adapters: readonly string[],
): fc.Arbitrary<GenerationRequest> {
  return fc
    .record({
      // Whole prompts come again too: where each length has a rotation of its own nothing else is found in the cache.
      prompt: fc.oneof(
        {
          weight: 3,
          arbitrary: fc
            .record({
              beginning: fc.constantFrom(...beginnings),
              shared: fc.oneof(fc.nat(50), fc.constantFrom(16, 32, 48)),
              rest: fc.array(id, { minLength: 1, maxLength: 20 }),
            })
            .map(({ beginning, shared, rest }) => [...beginning.slice(0, shared), ...rest]),
        },
        { weight: 1, arbitrary: fc.constantFrom(...beginnings).map((whole) => [...whole]) },
      ),
      maxNewTokens: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 10, max: 50 })),
      sampling,
      beams: rarely(fc.record({ count: fc.integer({ min: 1, max: 4 }) })),
      stopTokenIds: rarely(fc.constantFrom([5, 1e6], [30])),
      minNewTokens: fc.constantFrom(0, 3),
      forbiddenSequences: rarely(fc.constant([[7], [6, 8]])),
      allowedTokenIds: fc.constantFrom(undefined, undefined, [3, 4], [3, 4, 5, 6]),
      logProbs: rarely(fc.nat(2)),
      promptLogProbs: rarely(fc.nat(2)),
      from: rarely(fc.nat(60)),
      priority: fc.constantFrom(0, 0, 0, -1, 1),
      cacheSalt: rarely(fc.constantFrom('a', 'b')),
      isMasked: fc.boolean(),
      adapter: fc.constantFrom(undefined, ...adapters),
    })
    .map(({ prompt: promptIds, from, isMasked, logProbs, ...others }) => {
      const isBeams = others.beams !== undefined;
      return {
        ...others,
        promptIds,
        maxNewTokens: others.maxNewTokens,
        logProbs: isBeams ? undefined : logProbs,
        promptLogProbsFrom:
          from === undefined || others.promptLogProbs === undefined
            ? undefined
            : Math.min(from, promptIds.length),
        attentionMask:
          isMasked && promptIds.length > 4 ? promptIds.map((_, index) => Number(index > 2)) : undefined,
      };
    });
}

/** Small pools, so that texts give way. @param adapters that requests may name */
export function arbitraryWorkload(adapters: readonly string[] = []): fc.Arbitrary<Workload> {
  const beginnings = fc.array(fc.array(id, { minLength: 50, maxLength: 50 }), { minLength: 1, maxLength: 2 });
  return beginnings.chain((shared) =>
    fc.record({
      options: fc.record({
        cacheTokens: fc.integer({ min: 8, max: 16 }).map((blocks) => 16 * blocks),
        maxBatchTokens: fc.constantFrom(1, 3, 7, 16, 40, 512),
        maxSequences: fc.constantFrom(1, 3, 64, 64),
        maxDrafts: fc.constantFrom(0, 3, 8),
        targetStepMs: fc.constantFrom(1, 250),
        prefixCache: fc.constantFrom(true, true, false),
        kvDType: rarely(fc.constant('int8' as const)),
      }),
      requests: fc.array(
        fc.record({
          request: arbitraryRequest(shared, adapters),
          at: fc.oneof(fc.constant(0), fc.nat(25)),
          pauseAfter: rarely(fc.nat(20)),
          pausedFor: fc.nat(30),
          cancelAfter: rarely(fc.nat(20)),
        }),
        { minLength: 1, maxLength: 10 },
      ),
    }),
  );
}

function emptyOutcome(): Outcome {
  return { ids: [], logProbs: [], promptLogProbs: [], beams: [], ends: [] };
}

function take(outcome: Outcome | undefined, event: EngineEvent): void {
  if (outcome === undefined) throw new RangeError(`an event of ${event.id}, which is none`);
  expect(outcome.ends.length, 'nothing comes behind the end').toBe(0);
  outcome.ids.push(...event.ids);
  outcome.logProbs.push(...(event.logProbs ?? []));
  if (event.promptLogProbs !== undefined) outcome.promptLogProbs.push(event.promptLogProbs);
  if (event.beams !== undefined) outcome.beams.push(event.beams);
  const end = event.error ?? event.end;
  if (end !== undefined) outcome.ends.push(end);
}

/** What a request brings when nothing else has ever run. */
function alone(model: CausalLm, request: GenerationRequest, options: EngineOptions): Outcome {
  const engine = new Engine(model, options);
  const outcome = emptyOutcome();
  engine.submit('a', request);
  while (engine.hasWork) for (const event of engine.step()) take(outcome, event);
  engine.dispose();
  return outcome;
}

/** More than any of these workloads needs: a text that gives way for ever would. */
const MAX_STEPS = 5000;

/**
 * Runs a workload and checks that every request ends with what it brings alone, bit for bit, and that nothing is left
 * over. @param more options that hold alone too, such as adapters
 */
export function checkWorkload(
  model: CausalLm,
  { options, requests }: Workload,
  more: EngineOptions = {},
): { readonly preemptions: number; readonly acceptedDraftTokens: number; readonly prefixCacheHits: number } {
  const tensorsBefore = liveTensorCount();
  const engine = new Engine(model, { ...options, ...more });
  const outcomes = new Map<string, Outcome>();
  const cancelled = new Set<string>();
  const paused = new Set<string>();
  const due = (index: number): void => {
    const each = requests[index];
    if (each === undefined) return;
    const name = String(index);
    const since = step - each.at;
    if (since === 0 && canBeServed(engine, each.request)) {
      outcomes.set(name, emptyOutcome());
      engine.submit(name, each.request);
    }
    if (!outcomes.has(name)) return;
    if (each.pauseAfter !== undefined && since === each.pauseAfter) {
      engine.pause(name);
      paused.add(name);
    }
    if (each.pauseAfter !== undefined && since === each.pauseAfter + each.pausedFor) {
      engine.resume(name);
      paused.delete(name);
    }
    if (since === each.cancelAfter) {
      engine.cancel(name);
      cancelled.add(name);
    }
  };
  const last = Math.max(
    ...requests.map(({ at, pauseAfter = 0, pausedFor, cancelAfter = 0 }) =>
      Math.max(at + pauseAfter + pausedFor, at + cancelAfter),
    ),
  );
  let step = 0;
  for (; step <= last || engine.hasWork; step++) {
    if (step > MAX_STEPS) throw new RangeError(`no end after ${step} steps`);
    for (const index of requests.keys()) due(index);
    if (!engine.hasWork) continue;
    for (const event of engine.step()) {
      expect(cancelled.has(event.id), 'a cancelled request is silent').toBe(false);
      expect(paused.has(event.id), 'a paused request is silent').toBe(false);
      take(outcomes.get(event.id), event);
    }
    engine.verify();
  }
  const { stats } = engine;
  expect(stats).toMatchObject({ running: 0, waiting: 0, freeBlocks: stats.blocks });
  engine.dispose();
  expect(liveTensorCount(), 'tensors are given back').toBe(tensorsBefore);

  for (const [index, { request }] of requests.entries()) {
    const ours = outcomes.get(String(index));
    if (ours === undefined || (cancelled.has(String(index)) && ours.ends.length === 0)) continue;
    const [end] = ours.ends;
    expect(ours.ends.length, `request ${index} ends`).toBe(1);
    const expected = alone(model, request, {
      kvDType: options.kvDType,
      cacheTokens: 4096,
      prefixCache: false,
      ...more,
    });
    expect({ ...ours, ends: [] }, `request ${index}`).toEqual({ ...expected, ends: [] });
    if (end === undefined || end instanceof Error) throw end ?? new RangeError('no end');
    expect(end.generatedTokens).toBe(ours.ids.length);
    expect(end.cachedTokens).toBeLessThan(request.promptIds.length);
    for (const time of [end.queueMs, end.prefillMs, end.decodeMs]) expect(time).toBeGreaterThanOrEqual(0);
    expect(ours.promptLogProbs.length).toBe(request.promptLogProbs === undefined ? 0 : 1);
  }
  return stats;
}

/** Beams that the pool is too small for are refused, and that is right. */
function canBeServed(engine: Engine, request: GenerationRequest): boolean {
  try {
    engine.check(request);
    return true;
  } catch {
    return false;
  }
}

export interface WorkloadModel {
  readonly name: string;
  readonly load: () => { readonly model: CausalLm; readonly adapters?: AdapterSet };
  /** False where each length has a rotation of its own, so that no draft can run beside the token before it. */
  readonly canDraft: boolean;
}

export const workloadModels: readonly WorkloadModel[] = [
  ...goldenModels.map((name) => ({
    name,
    load: () => loadModel(`${goldenFolder}${name}`, { dtype: 'float32' }),
    canDraft: true,
  })),
  {
    name: 'xverse with an adapter',
    load: () => {
      const { model, architecture } = loadModel(`${goldenFolder}xverse`, { dtype: 'float32' });
      const adapters = new AdapterSet(model, architecture.names);
      adapters.load('tuned', `${goldenFolder}xverse/peft_adapter`);
      return { model, adapters };
    },
    canDraft: true,
  },
  {
    name: 'TeleChat past its length of training',
    load: () => {
      const config = { ...tinyTelechat, n_layer: 2, training_seqlen: 16 };
      return { model: initialised(parseArchitecture(config, 'test').createModel()).to({ dtype: 'float32' }) };
    },
    canDraft: false,
  },
];

/** Checks random workloads; of many, that there was something to check. */
export function checkWorkloads({ load, canDraft }: WorkloadModel, runs: number): void {
  const { model, adapters } = load();
  const sums = { preemptions: 0, acceptedDraftTokens: 0, prefixCacheHits: 0 };
  fc.assert(
    fc.property(arbitraryWorkload(adapters?.names), (workload) => {
      const stats = checkWorkload(model, workload, { adapters });
      sums.preemptions += stats.preemptions;
      sums.acceptedDraftTokens += stats.acceptedDraftTokens;
      sums.prefixCacheHits += stats.prefixCacheHits;
    }),
    { numRuns: runs },
  );
  adapters?.dispose();
  model.dispose();
  if (runs < 50) return;
  expect(sums.preemptions).toBeGreaterThan(0);
  expect(sums.prefixCacheHits).toBeGreaterThan(0);
  if (canDraft) expect(sums.acceptedDraftTokens).toBeGreaterThan(0);
}
