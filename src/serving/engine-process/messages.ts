/** Messages between the server and the engine's process; all survive a structured clone. */
import { InputError } from '../../errors/index.js';
import type { EngineLimits, EngineStats, StepEvent, TextEvent, TextRequest } from '../../generation/index.js';
import type { AdapterInfo } from '../engine-service.js';

export type ToEngine =
  | {
      readonly kind: 'start';
      /** URL of an EngineModule. */
      readonly module: string;
      readonly setup: unknown;
      readonly adapters: readonly AdapterInfo[];
      /** An adapter that cannot be loaded: go without it, or do not start. */
      readonly mayLoseAdapters: boolean;
    }
  | { readonly kind: 'submit'; readonly id: string; readonly request: TextRequest }
  | { readonly kind: 'cancel' | 'pause' | 'resume'; readonly id: string }
  | { readonly kind: 'load-adapter'; readonly call: number; readonly adapter: AdapterInfo }
  | { readonly kind: 'unload-adapter'; readonly call: number; readonly name: string }
  | { readonly kind: 'close' };

export type FromEngine =
  | {
      readonly kind: 'ready';
      readonly limits: EngineLimits;
      readonly description: string;
      readonly report: EngineReport;
      readonly lostAdapters: readonly { readonly name: string; readonly reason: string }[];
    }
  /** It cannot start, or cannot go on; it ends itself. */
  | { readonly kind: 'fault'; readonly error: SerializedEngineError }
  | { readonly kind: 'step'; readonly events: PackedEvents; readonly report?: EngineReport | undefined }
  | { readonly kind: 'report'; readonly report: EngineReport }
  | { readonly kind: 'refused'; readonly id: string; readonly error: SerializedEngineError }
  | { readonly kind: 'reply'; readonly call: number; readonly error?: SerializedEngineError | undefined };

/** From the engine's process of a rank behind the first. */
export type FromFollower =
  | { readonly kind: 'ready' }
  | { readonly kind: 'fault'; readonly error: SerializedEngineError };

export interface EngineReport {
  readonly stats: EngineStats;
  /** Requests received so far: tells which submissions the statistics know of. */
  readonly received: number;
  /** Milliseconds of the longest step since the last report. */
  readonly longestStep: number;
}

/** A structured clone would not keep the order of a schema's keys, and takes longer than its text. */
export function packRequest(request: TextRequest): TextRequest {
  const { grammar } = request;
  if (grammar?.kind !== 'json-schema') return request;
  return { ...request, grammar: { kind: 'json-schema-text', json: JSON.stringify(grammar.schema) } };
}

export interface SerializedEngineError {
  readonly message: string;
  readonly isInput: boolean;
  readonly stack?: string | undefined;
}

export function serializeError(error: unknown): SerializedEngineError {
  if (!(error instanceof Error)) return { message: String(error), isInput: false };
  return { message: error.message, isInput: error instanceof InputError, stack: error.stack };
}

export function deserializeError({ message, isInput, stack }: SerializedEngineError): Error {
  if (isInput) return new InputError(message);
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}

/**
 * The events of a step. The usual ones, a text and its ids, go as columns, written and read in two thirds of the time
 * that objects take; the others are whole.
 */
export interface PackedEvents {
  readonly requests: readonly string[];
  readonly texts: readonly string[];
  /** Ids of all usual events, one after the other, and how many each has. */
  readonly ids: readonly number[];
  readonly counts: readonly number[];
  readonly others: readonly (
    | { readonly id: string; readonly event: TextEvent }
    | { readonly id: string; readonly error: SerializedEngineError }
  )[];
}

export function packEvents(events: readonly StepEvent[]): PackedEvents {
  const requests: string[] = [];
  const texts: string[] = [];
  const ids: number[] = [];
  const counts: number[] = [];
  const others: PackedEvents['others'][number][] = [];
  for (const { id, event, error } of events)
    if (event === undefined) others.push({ id, error: serializeError(error) });
    else if (isUsual(event) && !others.some((other) => other.id === id)) {
      requests.push(id);
      texts.push(event.text);
      counts.push(event.ids.length);
      for (const token of event.ids) ids.push(token);
    } else others.push({ id, event });
  return { requests, texts, ids, counts, others };
}

export function* unpackEvents({ requests, texts, ids, counts, others }: PackedEvents): Generator<StepEvent> {
  let start = 0;
  for (const [index, id] of requests.entries()) {
    const end = start + (counts[index] ?? 0);
    yield { id, event: { text: texts[index] ?? '', ids: ids.slice(start, end) } };
    start = end;
  }
  for (const other of others)
    if ('event' in other) yield other;
    else yield { id: other.id, error: deserializeError(other.error) };
}

function isUsual(event: TextEvent): boolean {
  return Object.entries(event).every(
    ([field, value]) => field === 'text' || field === 'ids' || value === undefined,
  );
}
