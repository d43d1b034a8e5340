/**
 * Steps an engine for as long as it has work, giving the event loop a turn after each step, so that new requests and
 * cancellations take effect with the next one.
 */
import type { TextRequest } from '../../generation/index.js';
import type { EngineCommands } from './request-desk.js';
import type { StepEvent, SteppingEngine } from './stepping-engine.js';

export interface StepLoopHooks {
  /** After each step, with the time it took. */
  readonly onStep: (milliseconds: number, events: readonly StepEvent[]) => void;
  /** The engine threw in a step: it cannot be trusted any more, and is not stepped again. */
  readonly onFailure: (error: unknown) => void;
}

/** Milliseconds between looks at an engine whose requests wait for something else, a grammar that is being compiled. */
const IDLE_POLL_MS = 2;

export class StepLoop implements EngineCommands {
  readonly engine: SteppingEngine;
  readonly #hooks: StepLoopHooks;
  readonly #open = new Set<string>();
  readonly #paused = new Set<string>();
  #next: NodeJS.Immediate | undefined;
  #poll: NodeJS.Timeout | undefined;
  #isHeld = false;
  #isEnded = false;

  constructor(engine: SteppingEngine, hooks: StepLoopHooks) {
    this.engine = engine;
    this.#hooks = hooks;
  }

  submit(id: string, request: TextRequest): void {
    this.engine.submit(id, request);
    this.#open.add(id);
    this.#wake();
  }

  cancel(id: string): void {
    this.#open.delete(id);
    this.#paused.delete(id);
    this.engine.cancel(id);
    this.#wake();
  }

  pause(id: string): void {
    if (!this.#open.has(id)) return;
    this.#paused.add(id);
    this.engine.pause(id);
  }

  resume(id: string): void {
    if (!this.#paused.delete(id)) return;
    this.engine.resume(id);
    this.#wake();
  }

  /** No step until `release`: whoever takes the events cannot keep up. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#wake();
  }

  /** No step from now on. The engine stays the caller's. */
  end(): void {
    this.#isEnded = true;
    clearTimeout(this.#poll);
    if (this.#next !== undefined) clearImmediate(this.#next);
  }

  #wake(): void {
    if (this.#next !== undefined || this.#isHeld || this.#isEnded) return;
    clearTimeout(this.#poll);
    this.#next = setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#next = undefined;
    if (this.#isHeld || this.#isEnded) return;
    if (this.engine.hasWork) {
      this.#step();
      this.#wake();
    } else if (this.#open.size > this.#paused.size) this.#poll = setTimeout(() => this.#wake(), IDLE_POLL_MS);
  }

  #step(): void {
    try {
      const start = performance.now();
      const events = this.engine.step();
      const milliseconds = performance.now() - start;
      for (const { id, event } of events)
        if (event === undefined || event.end !== undefined) {
          this.#open.delete(id);
          this.#paused.delete(id);
        }
      this.#hooks.onStep(milliseconds, events);
    } catch (error) {
      this.end();
      this.#hooks.onFailure(error);
    }
  }
}
