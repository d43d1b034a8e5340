/**
 * Steps an engine for as long as it has work, giving the event loop a turn after each step, so that new requests and
 * cancellations take effect with the next one.
 */
import type { TextRequest } from '../requests.js';
import type { StepEvent, SteppingEngine } from './stepping-engine.js';

export interface StepLoopHooks {
  /** After each step, with the time it took. */
  readonly onStep: (milliseconds: number, events: readonly StepEvent[]) => void;
  /** The engine threw in a step: it cannot be trusted any more, and is not stepped again. */
  readonly onFailure: (error: unknown) => void;
}

export class StepLoop {
  readonly #engine: SteppingEngine;
  readonly #hooks: StepLoopHooks;
  #next: NodeJS.Immediate | undefined;
  #isHeld = false;
  #isEnded = false;

  constructor(engine: SteppingEngine, hooks: StepLoopHooks) {
    this.#engine = engine;
    this.#hooks = hooks;
    engine.onReady = () => this.#wake();
  }

  submit(id: string, request: TextRequest): void {
    this.#engine.submit(id, request);
    this.#wake();
  }

  cancel(id: string): void {
    this.#engine.cancel(id);
    this.#wake(); // Its blocks may be what another one waits for.
  }

  pause(id: string): void {
    this.#engine.pause(id);
    this.#wake();
  }

  resume(id: string): void {
    this.#engine.resume(id);
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
    if (this.#next !== undefined) clearImmediate(this.#next);
  }

  #wake(): void {
    if (this.#next !== undefined || this.#isHeld || this.#isEnded) return;
    this.#next = setImmediate(() => {
      this.#next = undefined;
      if (this.#isHeld || this.#isEnded || !this.#engine.hasWork) return;
      this.#step();
      this.#wake();
    });
  }

  #step(): void {
    try {
      const start = performance.now();
      const events = this.#engine.step();
      this.#hooks.onStep(performance.now() - start, events);
    } catch (error) {
      this.end();
      this.#hooks.onFailure(error);
    }
  }
}
