/** What the tests of this folder run in place of a model: tokens that tell who asked for them. */
import { InputError } from '../../errors/index.js';
import type { EngineStats, StepEvent, SteppingEngine, TextRequest } from '../../generation/index.js';
import { EMPTY_STATS, type StartedEngine } from './engine-module.js';

export interface TestSetup {
  /** Milliseconds that a step sleeps. Default 0. */
  readonly stepMs?: number | undefined;
  /** Sequences that run together. Default 4. */
  readonly maxSequences?: number | undefined;
  readonly refusesToLoad?: 'input' | 'fault' | undefined;
}

/** First ids of prompts that something happens to. */
export const REFUSED = 1;
export const FAILS_LATER = 2;
export const FAULT = 3;
export const ABORTS = 4;
export const VOCABULARY = 1000;

interface Running {
  readonly request: TextRequest;
  done: number;
  isPaused: boolean;
}

class TestEngine implements SteppingEngine {
  onReady: (() => void) | undefined;
  readonly #setup: TestSetup;
  readonly #sequences = new Map<string, Running>();
  readonly #adapters = new Map<string, string>();
  #steps = 0;
  #generated = 0;

  constructor(setup: TestSetup) {
    this.#setup = setup;
  }

  submit(id: string, request: TextRequest): void {
    if (request.promptIds[0] === REFUSED) throw new InputError('this one is refused');
    if (request.adapter !== undefined && !this.#adapters.has(request.adapter))
      throw new InputError(`the engine has no adapter ${request.adapter}`);
    this.#sequences.set(id, { request, done: 0, isPaused: false });
  }

  cancel(id: string): void {
    this.#sequences.delete(id);
  }

  pause(id: string): void {
    const sequence = this.#sequences.get(id);
    if (sequence !== undefined) sequence.isPaused = true;
  }

  resume(id: string): void {
    const sequence = this.#sequences.get(id);
    if (sequence !== undefined) sequence.isPaused = false;
  }

  get hasWork(): boolean {
    return this.#running.some(([, { isPaused }]) => !isPaused);
  }

  step(): readonly StepEvent[] {
    const { stepMs = 0 } = this.#setup;
    if (stepMs > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, stepMs);
    this.#steps += 1;
    return this.#running.flatMap(([id, sequence]) =>
      sequence.isPaused ? [] : [this.#advance(id, sequence)],
    );
  }

  #advance(id: string, sequence: Running): StepEvent {
    const { promptIds, maxNewTokens, adapter = '' } = sequence.request;
    switch (promptIds[0]) {
      case FAULT:
        throw new TypeError('a fault in a step');
      case ABORTS:
        process.abort();
        break;
      case FAILS_LATER:
        this.#sequences.delete(id);
        return { id, error: new InputError('the grammar does not compile') };
      default:
    }
    sequence.done += 1;
    this.#generated += 1;
    const event = { text: `${adapter}${promptIds[0]}.${sequence.done} `, ids: [sequence.done] };
    if (sequence.done < maxNewTokens) return { id, event };
    this.#sequences.delete(id);
    const end = {
      finishReason: 'length' as const,
      stopReason: undefined,
      promptTokens: promptIds.length,
      cachedTokens: 0,
      generatedTokens: sequence.done,
      queueMs: 0,
      prefillMs: 0,
      decodeMs: 0,
    };
    return { id, event: { ...event, end } };
  }

  /** The first ones, as many as may run. */
  get #running(): [string, Running][] {
    return [...this.#sequences].slice(0, this.#setup.maxSequences ?? 4);
  }

  get stats(): EngineStats {
    const running = this.#running.length;
    const waiting = [...this.#sequences.values()].slice(running);
    return {
      ...EMPTY_STATS,
      running,
      waiting: waiting.length,
      waitingTokens: waiting.reduce((sum, { request }) => sum + request.promptIds.length, 0),
      blocks: 100,
      freeBlocks: 100 - running,
      steps: this.#steps,
      generatedTokens: this.#generated,
      stepTokens: [],
    };
  }

  loadAdapter(name: string, path: string): void {
    if (path === 'nowhere') throw new InputError('nowhere: no such adapter');
    this.#adapters.set(name, path);
  }

  unloadAdapter(name: string): void {
    this.#adapters.delete(name);
  }
}

export function startEngine(setup: TestSetup): StartedEngine {
  if (setup.refusesToLoad === 'input') throw new InputError('model: no such folder');
  if (setup.refusesToLoad === 'fault') throw new TypeError('a fault while loading');
  return {
    engine: new TestEngine(setup),
    limits: { maxLength: 1_000_000, vocabSize: VOCABULARY, blocks: 100 },
    description: 'a test engine',
    dispose: () => undefined,
  };
}
