/**
 * Beam search over one prompt as Hugging Face's transformers 5 runs it (GenerationMixin._beam_search), without the model: rows of
 * logits come in, the beams of the next step go out. A step weighs max(2, 1 + E) * N continuations of the N live beams (E stop
 * ids), so that N remain when others end; of those that end, the ones among the first N become hypotheses.
 *
 * Two differences. Sums are in float64, there in float32. A continuation of log-probability -Infinity does not exist here, so
 * that there may be fewer than N beams or hypotheses; there it would be filled up with scores of -1e9.
 */
import { InputError } from '../errors/index.js';
import { logNormalizer } from './log-probs.js';
import type { BeamParameters, FinishReason } from './requests.js';
import type { LogitsRow } from './sampling-parameters.js';
import { nextNotBelow } from './scan-row.js';

export interface BeamSearchOptions extends BeamParameters {
  /** Ids that end a beam; they are part of the output. Default: none. */
  readonly stopTokenIds?: readonly number[] | undefined;
  readonly maxNewTokens: number;
}

/** A beam of the next step: which of the last step's goes on (index of its row), and with which token. */
export interface BeamStep {
  readonly parent: number;
  readonly id: number;
}

export interface BeamResult {
  readonly ids: readonly number[];
  /** Sum of the log-probabilities / length^lengthPenalty, as Hugging Face's sequences_scores. */
  readonly score: number;
  readonly finishReason: FinishReason;
}

/**
 * Changes the log-probabilities of one beam in place, before they are added to its score: penalties and restrictions act
 * on them as transformers' processors do.
 * @param beam index of its row
 */
export type ProcessBeamRow = (row: LogitsRow, beam: number) => void;

/** The last token of a beam, and those before it. */
interface Trail {
  readonly id: number;
  readonly before: Trail | undefined;
}

interface Beam {
  readonly trail: Trail | undefined;
  /** Sum of the log-probabilities. */
  readonly score: number;
}

interface Continuation extends BeamStep {
  readonly score: number;
}

interface Finished extends Beam {
  readonly finishReason: FinishReason;
}

export class BeamSearch {
  readonly #count: number;
  readonly #lengthPenalty: number;
  readonly #earlyStopping: boolean | 'never';
  readonly #stopIds: ReadonlySet<number>;
  readonly #maxNewTokens: number;
  #length = 0;
  #live: readonly Beam[] = [{ trail: undefined, score: 0 }];
  /** Best first; scores divided by their length. */
  #finished: readonly Finished[] = [];
  #scratch = new Float64Array(0);

  /** @throws InputError for a parameter that is out of range */
  constructor(options: BeamSearchOptions) {
    const { count, lengthPenalty = 1, earlyStopping = false, stopTokenIds = [], maxNewTokens } = options;
    if (!Number.isSafeInteger(count) || count < 1)
      throw new InputError(`beam search: count is ${count}; give a whole number from 1`);
    if (!Number.isFinite(lengthPenalty))
      throw new InputError(`beam search: lengthPenalty is ${lengthPenalty}; give a finite number`);
    if (!Number.isSafeInteger(maxNewTokens) || maxNewTokens < 0)
      throw new InputError(`beam search: maxNewTokens is ${maxNewTokens}; give a whole number from 0`);
    this.#count = count;
    this.#lengthPenalty = lengthPenalty;
    this.#earlyStopping = earlyStopping;
    this.#stopIds = new Set(stopTokenIds);
    this.#maxNewTokens = maxNewTokens;
    if (maxNewTokens === 0) this.#end([{ trail: undefined, score: 0, finishReason: 'length' }]);
  }

  /** Beams that want a row of logits: 1 at the first step, none once finished. */
  get liveCount(): number {
    return this.#live.length;
  }

  get isFinished(): boolean {
    return this.#live.length === 0;
  }

  /** Tokens that a live beam has generated. @param beam index among the live ones */
  generatedIds(beam: number): number[] {
    return idsOf(this.#live[beam]?.trail);
  }

  /**
   * Chooses the beams of the next step, best first; none when the search has ended.
   * @param rows logits [V] of each live beam, in the order of the last answer; only read
   * @throws NonFiniteError for a row of NaN or without a finite maximum
   */
  advance(rows: readonly LogitsRow[], processRow?: ProcessBeamRow): readonly BeamStep[] {
    if (rows.length !== this.#live.length)
      throw new TypeError(`${rows.length} rows of logits for ${this.#live.length} beams`);
    const continuations = this.#bestContinuations(rows, processRow);
    this.#length += 1;
    const isLast = this.#length === this.#maxNewTokens;
    const ends = ({ id }: Continuation): boolean => isLast || this.#stopIds.has(id);
    this.#finish(continuations.slice(0, this.#count).filter(ends));
    const next = continuations.filter((each) => !ends(each)).slice(0, this.#count);
    this.#live = next.map((each) => this.#continued(each));
    if (this.#isDecided()) this.#live = [];
    return this.isFinished ? [] : next.map(({ parent, id }) => ({ parent, id }));
  }

  /** The hypotheses, best first. To be asked for once the search is finished. */
  finish(): BeamResult[] {
    if (!this.isFinished) throw new TypeError('the beam search is not finished');
    return this.#finished.map(({ trail, score, finishReason }) => ({
      ids: idsOf(trail),
      score,
      finishReason,
    }));
  }

  #end(finished: readonly Finished[]): void {
    this.#finished = finished;
    this.#live = [];
  }

  #continued({ parent, id, score }: Continuation): Beam {
    return { trail: { id, before: this.#live[parent]?.trail }, score };
  }

  /** Takes ended beams among the hypotheses if they are better than what is there. */
  #finish(ended: readonly Continuation[]): void {
    const added = ended.map((each): Finished => {
      const { trail, score } = this.#continued(each);
      const finishReason = this.#stopIds.has(each.id) ? 'stop' : 'length';
      return { trail, score: score / this.#length ** this.#lengthPenalty, finishReason };
    });
    this.#finished = [...this.#finished, ...added].sort((a, b) => b.score - a.score).slice(0, this.#count);
  }

  /** True when going on is forbidden or cannot be expected to improve the hypotheses. */
  #isDecided(): boolean {
    const [best] = this.#live;
    const worst = this.#finished[this.#count - 1];
    if (best === undefined || worst === undefined) return best === undefined;
    if (this.#earlyStopping === true) return true;
    // A positive penalty favours long answers; 'never' takes the best live beam to go on to the end without loss.
    const length =
      this.#earlyStopping === 'never' && this.#lengthPenalty > 0 ? this.#maxNewTokens : this.#length;
    return best.score / length ** this.#lengthPenalty <= worst.score;
  }

  #bestContinuations(rows: readonly LogitsRow[], processRow: ProcessBeamRow | undefined): Continuation[] {
    const best = new BestContinuations(Math.max(2, 1 + this.#stopIds.size) * this.#count);
    for (const [parent, { score }] of this.#live.entries()) {
      const row = rows[parent];
      if (row === undefined) continue;
      const normalizer = logNormalizer(row);
      if (processRow === undefined) {
        best.add(parent, row, score - normalizer);
        continue;
      }
      if (this.#scratch.length !== row.length) this.#scratch = new Float64Array(row.length);
      for (let id = 0; id < row.length; id++) this.#scratch[id] = row[id]! - normalizer;
      processRow(this.#scratch, parent);
      best.add(parent, this.#scratch, score);
    }
    return best.found;
  }
}

/** The continuations with the largest scores, descending; of equals the smaller beam, then the smaller id first. */
class BestContinuations {
  readonly found: Continuation[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @param offset what a value of the row lacks to be a score */
  add(parent: number, row: LogitsRow, offset: number): void {
    for (let id = nextNotBelow(row, 0, this.#bound(offset)); id < row.length; ) {
      const score = row[id]! + offset;
      if (score > this.#least) this.#insert({ parent, id, score });
      id = nextNotBelow(row, id + 1, this.#bound(offset));
    }
  }

  /** What a score has to exceed. */
  get #least(): number {
    return this.found.length < this.#limit ? -Infinity : (this.found.at(-1)?.score ?? -Infinity);
  }

  /** A value of the row below this cannot have a sufficient score, whatever the rounding. */
  #bound(offset: number): number {
    const difference = this.#least - offset;
    return difference - Math.abs(difference) * 1e-12 - Math.abs(offset) * 1e-12;
  }

  #insert(continuation: Continuation): void {
    if (this.found.length === this.#limit) this.found.pop();
    let place = this.found.length;
    while (place > 0 && this.found[place - 1]!.score < continuation.score) place -= 1;
    this.found.splice(place, 0, continuation);
  }
}

function idsOf(trail: Trail | undefined): number[] {
  const ids: number[] = [];
  for (let each = trail; each !== undefined; each = each.before) ids.push(each.id);
  return ids.reverse();
}
