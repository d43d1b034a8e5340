/** What drives itself by `step`: TextEngine, or a stand-in in tests. */
import type { EngineStats, TextEvent, TextRequest } from '../requests.js';

/**
 * What a step brought to a request; an error where it turned out that it cannot be served (InputError) or that something
 * is wrong with it alone: it is over then.
 */
export type StepEvent =
  | { readonly id: string; readonly event: TextEvent; readonly error?: undefined }
  | { readonly id: string; readonly event?: undefined; readonly error: Error };

export interface SteppingEngine {
  /** @throws InputError for a request that cannot be served */
  submit(id: string, request: TextRequest): void;
  /** Unknown ids, ended ones among them, are passed over; so do `pause` and `resume`. */
  cancel(id: string): void;
  pause(id: string): void;
  resume(id: string): void;
  /** One forward pass. */
  step(): readonly StepEvent[];
  /** Would a step compute something? False while all requests are paused, or wait for their grammar. */
  readonly hasWork: boolean;
  /** Called when it has work again without a call from outside: a grammar is compiled. */
  onReady: (() => void) | undefined;
  readonly stats: EngineStats;
  /** @throws InputError for a name that is taken, a folder that is no adapter of this model */
  loadAdapter(name: string, path: string): void;
  /** @throws InputError for an unknown name */
  unloadAdapter(name: string): void;
}
