/** A task whose beams advance together; each beam is a sequence that shares its full blocks with its parent. */
import { BeamSearch } from '../beam-search.js';
import { createPenalties, type Penalty } from '../penalties.js';
import type { BeamParameters, FinishReason, GenerationRequest } from '../requests.js';
import type { LogitsRow } from '../sampling-parameters.js';
import { createRestrictions } from '../token-restrictions.js';
import type { Sequence } from './sequence.js';
import type { CacheAccess, Task, TaskOutput } from './task.js';

export class BeamTask implements Task {
  readonly id: string;
  readonly request: GenerationRequest;
  finish: { readonly reason: FinishReason; readonly stopId: number | undefined } | undefined;
  readonly #search: BeamSearch;
  #sequences: readonly Sequence[];
  /** Logits of the live beams, as far as their tokens have run. */
  #rows = new Map<Sequence, LogitsRow>();

  /** @throws InputError if a parameter is out of range */
  constructor(id: string, request: GenerationRequest, beams: BeamParameters, prompt: Sequence) {
    this.id = id;
    this.request = request;
    this.#sequences = [prompt];
    this.#createPenalties(); // What is wrong with them is to be said now.
    const { maxNewTokens, stopTokenIds } = request;
    this.#search = new BeamSearch({
      ...beams,
      stopTokenIds,
      maxNewTokens,
    });
  }

  get sequences(): readonly Sequence[] {
    return this.#sequences;
  }

  get isHeld(): boolean {
    return false;
  }

  takeHeld(): boolean {
    return false;
  }

  draft(): readonly number[] {
    return [];
  }

  take(sequence: Sequence, _drafts: readonly number[], rows: readonly LogitsRow[]): number {
    const [row] = rows;
    // A copy: the step's logits are gone when the last beam has run, steps later perhaps.
    if (row !== undefined) this.#rows.set(sequence, row.slice());
    return 0;
  }

  endStep({ pool, cache }: CacheAccess): TaskOutput {
    const rows = this.#sequences.map((sequence) => this.#rows.get(sequence));
    const ready = rows.filter((row) => row !== undefined);
    if (ready.length < this.#sequences.length) return { ids: [], logProbs: undefined, beams: undefined };
    this.#rows.clear();
    const parents = this.#sequences;
    // Without a token to choose it is finished before it has begun.
    const isOver = this.#search.isFinished;
    const live = isOver ? [] : this.#search.advance(ready, (row, beam) => this.#penalise(row, parents[beam]));
    if (this.#search.isFinished) {
      const beams = this.#search.finish();
      this.finish = { reason: beams[0]?.finishReason ?? 'length', stopId: undefined };
      return { ids: beams[0]?.ids ?? [], logProbs: undefined, beams };
    }
    const used = new Set<Sequence>();
    const heirs = live.map(({ parent, id }) => {
      const sequence = parents[parent];
      if (sequence === undefined) throw new RangeError(`beam search: no beam ${parent}`);
      const heir = used.has(sequence) ? sequence.fork(pool, cache) : sequence;
      used.add(sequence);
      return { heir, id };
    });
    // Only now: a fork copies its parent without the new token.
    for (const { heir, id } of heirs) heir.tokens.push(id);
    for (const parent of parents) if (!used.has(parent)) parent.release(pool);
    this.#sequences = heirs.map(({ heir }) => heir);
    return { ids: [], logProbs: undefined, beams: undefined };
  }

  dispose(): void {}

  #penalise(row: LogitsRow, sequence: Sequence | undefined): void {
    if (sequence === undefined) return;
    for (const penalty of this.#createPenalties()) {
      for (const id of sequence.tokens.slice(sequence.promptLength)) penalty.add(id);
      penalty.apply(row);
    }
    row.fill(-Infinity, this.request.vocabLimit ?? row.length);
  }

  #createPenalties(): Penalty[] {
    const { promptIds, attentionMask, sampling = {} } = this.request;
    const attendedIds = promptIds.filter((_, index) => attentionMask?.[index] !== 0);
    return [...createPenalties(sampling, attendedIds), ...createRestrictions(this.request, attendedIds)];
  }
}
