/** A task of one sequence, sampled token by token, with speculative drafts where wanted. */
import type { TokenLogProbs } from '../log-probs.js';
import type { FinishReason, GenerationRequest } from '../requests.js';
import type { LogitsRow } from '../sampling-parameters.js';
import type { Sequence } from './sequence.js';
import type { Task, TaskOutput } from './task.js';
import { TokenSelector } from './token-selector.js';

/** Proposes the next tokens of a sequence. */
export interface Drafter {
  add(id: number): void;
  draft(): readonly number[];
}

export class SampledTask implements Task {
  readonly id: string;
  readonly request: GenerationRequest;
  readonly sequences: readonly [Sequence];
  finish: { readonly reason: FinishReason; readonly stopId: number | undefined } | undefined;
  readonly #selector: TokenSelector;
  readonly #drafter: Drafter | undefined;
  readonly #stopIds: ReadonlySet<number>;
  readonly #onReady: () => void;
  /** Logits behind the last token, while the mask of the next is still being made. */
  #heldRow: LogitsRow | undefined;
  #ids: number[] = [];
  #logProbs: TokenLogProbs[] = [];

  /**
   * @param onReady called when a task that holds its logits can choose
   * @throws InputError if a sampling parameter is out of range
   */
  constructor(
    id: string,
    request: GenerationRequest,
    sequence: Sequence,
    drafter: Drafter | undefined,
    onReady: () => void,
  ) {
    this.id = id;
    this.request = request;
    this.sequences = [sequence];
    this.#selector = new TokenSelector(request);
    this.#drafter = drafter;
    this.#onReady = onReady;
    this.#stopIds = new Set(request.stopTokenIds);
  }

  get #generated(): number {
    const [sequence] = this.sequences;
    return sequence.tokens.length - sequence.promptLength;
  }

  draft(_sequence: Sequence, maxTokens: number): readonly number[] {
    // The last token of an answer is chosen without being run: no draft beyond the one before it.
    const room = Math.min(maxTokens, this.request.maxNewTokens - this.#generated - 1);
    return room <= 0 ? [] : (this.#drafter?.draft() ?? []).slice(0, room);
  }

  take(_sequence: Sequence, drafts: readonly number[], rows: readonly LogitsRow[]): number {
    if (this.request.maxNewTokens === 0) {
      this.finish = { reason: 'length', stopId: undefined };
      return 0;
    }
    if (!this.#selector.isReady) {
      // A copy: the step's logits are gone when the mask comes. Texts with a grammar have no drafts.
      const isNew = this.#heldRow === undefined;
      this.#heldRow = rows[0]?.slice();
      if (isNew) this.#selector.whenReady(this.#onReady);
      return 0;
    }
    this.#heldRow = undefined;
    for (const [index, row] of rows.entries()) {
      const id = this.#choose(row);
      if (this.finish !== undefined || drafts[index] !== id) return index;
    }
    return drafts.length;
  }

  get isHeld(): boolean {
    return this.#heldRow !== undefined;
  }

  takeHeld(): boolean {
    const row = this.#heldRow;
    if (row === undefined || !this.#selector.isReady) return false;
    this.#heldRow = undefined;
    this.#choose(row);
    return true;
  }

  #choose(row: LogitsRow): number {
    const { id, logProbs } = this.#selector.choose(row);
    const [sequence] = this.sequences;
    sequence.tokens.push(id);
    this.#drafter?.add(id);
    this.#ids.push(id);
    if (logProbs !== undefined) this.#logProbs.push(logProbs);
    if (this.#stopIds.has(id)) this.finish = { reason: 'stop', stopId: id };
    else if (this.#generated >= this.request.maxNewTokens)
      this.finish = { reason: 'length', stopId: undefined };
    return id;
  }

  endStep(): TaskOutput {
    const output = {
      ids: this.#ids,
      logProbs: this.request.logProbs === undefined ? undefined : this.#logProbs,
      beams: undefined,
    };
    this.#ids = [];
    this.#logProbs = [];
    return output;
  }

  dispose(): void {
    this.#selector.dispose();
  }
}
