/** One request in the engine: what the scheduler runs for it, and what becomes of the logits. */
import type { PagedKvCache } from '../../nn/index.js';
import type { TokenLogProbs } from '../log-probs.js';
import type { FinishReason, GenerationRequest } from '../requests.js';
import type { LogitsRow } from '../sampling-parameters.js';
import type { BlockPool } from './block-pool.js';
import type { HiddenStatesPooler } from './hidden-states-pooler.js';
import type { PromptLogProbsCollector } from './prompt-log-probs-collector.js';
import type { Sequence } from './sequence.js';

/** Ids of one finished beam. */
export interface BeamIds {
  readonly ids: readonly number[];
  readonly score: number;
  readonly finishReason: FinishReason;
}

/** What a step brought to a task. */
export interface TaskOutput {
  readonly ids: readonly number[];
  readonly logProbs: readonly TokenLogProbs[] | undefined;
  readonly beams: readonly BeamIds[] | undefined;
  /** Of a prompt that has run as a whole, where its hidden states are pooled. [D] */
  readonly embedding?: Float32Array | undefined;
}

/** Where a task's sequences have their blocks. */
export interface CacheAccess {
  readonly pool: BlockPool;
  readonly cache: PagedKvCache;
}

export interface Task {
  readonly id: string;
  readonly request: GenerationRequest;
  /** Those that advance together: one, or the live beams. */
  readonly sequences: readonly Sequence[];
  /** Set once no more tokens are to come. */
  readonly finish: { readonly reason: FinishReason; readonly stopId: number | undefined } | undefined;
  /** Takes the hidden states of the prompt in place of logits. */
  readonly pooler?: HiddenStatesPooler | undefined;
  /** Ids that may follow, to be checked in the same pass as what is pending. */
  draft(sequence: Sequence, maxTokens: number): readonly number[];
  /**
   * Takes the logits behind the last pending token and behind each draft. Gives the number of drafts that turned out
   * right; their keys stay. There are no rows where hidden states are pooled.
   */
  take(sequence: Sequence, drafts: readonly number[], rows: readonly LogitsRow[]): number;
  /** Logits are kept until it is known which tokens may come; nothing is pending meanwhile. */
  readonly isHeld: boolean;
  /** Chooses from the logits that were kept, if that can be done by now. Gives false if not. */
  takeHeld(): boolean;
  /** After every sequence of a step has been taken and advanced. */
  endStep(access: CacheAccess): TaskOutput;
  dispose(): void;
}

/** A task with the times that its report needs, in milliseconds of performance.now(). */
export interface ScheduledTask {
  readonly task: Task;
  readonly priority: number;
  /** Where the log-probabilities of the prompt are asked for. */
  readonly promptLogProbsCollector: PromptLogProbsCollector | undefined;
  /** Order of submission. */
  readonly arrival: number;
  readonly submittedAt: number;
  startedAt: number | undefined;
  firstTokenAt: number | undefined;
  cachedTokens: number;
  generatedTokens: number;
  isPaused: boolean;
  /** Why it cannot go on: its own fault, or its own logits; the others do. */
  error: Error | undefined;
}

/** What goes wrong with one request is that request's; undefined then. */
export function attempt<Result>(scheduled: ScheduledTask, body: () => Result): Result | undefined {
  try {
    return body();
  } catch (error) {
    scheduled.error = error instanceof Error ? error : new Error(String(error));
    return undefined;
  }
}

/** Puts a task into a list that is in order of priority, then of arrival. */
export function insertInOrder(list: ScheduledTask[], scheduled: ScheduledTask): void {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (precedes(list[middle], scheduled)) low = middle + 1;
    else high = middle;
  }
  list.splice(low, 0, scheduled);
}

function precedes(one: ScheduledTask | undefined, other: ScheduledTask): boolean {
  if (one === undefined) return false;
  return one.priority < other.priority || (one.priority === other.priority && one.arrival < other.arrival);
}
