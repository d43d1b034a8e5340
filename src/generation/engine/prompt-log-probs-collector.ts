/** Log-probabilities of prompt tokens, in chunks, so that the logits of a long prompt are never held at once. */
import { intTensor, operator, scope, type Tensor } from '../../tensor/index.js';
import type { TokenLogProb, TokenLogProbs } from '../log-probs.js';
import type { GenerationRequest } from '../requests.js';
import type { ModelRunner } from './model-runner.js';

const topkOp = operator('aten::topk');

/** Rows of logits at a time: with a vocabulary of 160,000 they hold 40 MB. */
const ROWS = 64;

/** The log-probabilities of one prompt, gathered over the steps that run it. */
export class PromptLogProbsCollector {
  readonly #promptIds: readonly number[];
  readonly #numTop: number;
  readonly #askedIds: readonly number[];
  /** Of the first tokens of the prompt. */
  readonly #results: (TokenLogProbs | null)[];
  #isTaken = false;

  constructor({
    promptIds,
    promptLogProbs = 0,
    promptLogProbsFrom = 0,
    promptLogProbIds = [],
  }: GenerationRequest) {
    this.#promptIds = promptIds;
    this.#numTop = promptLogProbs;
    this.#askedIds = promptLogProbIds;
    this.#results = new Array<null>(Math.max(1, promptLogProbsFrom)).fill(null);
  }

  get #isComplete(): boolean {
    return this.#results.length === this.#promptIds.length;
  }

  /** Tokens before this position may come out of the cache: what follows them is known or not asked for. */
  get reusableTokens(): number {
    return this.#isComplete ? Number.POSITIVE_INFINITY : this.#results.length - 1;
  }

  /**
   * What is needed of a chunk of the prompt; one that runs again after a preemption brings nothing new.
   * @param row of T, where the chunk begins @param position of its first token
   */
  wanted(row: number, position: number, count: number): WantedLogProbs | undefined {
    const first = this.#results.length;
    const targets = this.#promptIds.slice(first, position + count + 1);
    if (targets.length === 0) return undefined;
    if (first <= position)
      throw new RangeError(`log-probabilities of tokens ${first} to ${position} are missing`);
    return {
      rows: targets.map((_, index) => row + first - 1 - position + index),
      targets,
      numTop: this.#numTop,
      askedIds: this.#askedIds,
      take: (results) => this.#results.push(...results),
    };
  }

  /** Once, when they are complete: one for each token of the prompt. */
  take(): readonly (TokenLogProbs | null)[] | undefined {
    if (this.#isTaken || !this.#isComplete) return undefined;
    this.#isTaken = true;
    return this.#results;
  }
}

/** The places before some tokens of a prompt, and what is to be known of them. */
export interface WantedLogProbs {
  /** Which of T. */
  readonly rows: readonly number[];
  readonly targets: readonly number[];
  /** Most probable tokens to give. */
  readonly numTop: number;
  /** Ids to give for each row, too. */
  readonly askedIds: readonly number[];
  readonly take: (results: readonly TokenLogProbs[]) => void;
}

interface WantedRow {
  readonly row: number;
  readonly target: number;
  readonly askedIds: readonly number[];
}

/**
 * Gives the prompts of a step their log-probabilities, the rows of all of them in one product: the head is read once.
 * @param hidden [1, T, D] of all sequences
 */
export function takeLogProbs(runner: ModelRunner, hidden: Tensor, wanted: readonly WantedLogProbs[]): void {
  for (const numTop of new Set(wanted.map((each) => each.numTop))) {
    const own = wanted.filter((each) => each.numTop === numTop);
    const rows = own.flatMap(({ rows: places, targets, askedIds }) =>
      places.map((row, index): WantedRow => ({ row, target: targets[index] ?? 0, askedIds })),
    );
    const results: TokenLogProbs[] = [];
    for (let start = 0; start < rows.length; start += ROWS)
      results.push(...scope(() => logProbsOf(runner, hidden, rows.slice(start, start + ROWS), numTop)));
    let next = 0;
    for (const { rows: places, take } of own) {
      take(results.slice(next, next + places.length));
      next += places.length;
    }
  }
}

/** Shapes: T tokens of the step, D hidden, R rows, V vocabulary, K alternatives. @param hidden [1, T, D] */
function logProbsOf(
  runner: ModelRunner,
  hidden: Tensor,
  rows: readonly WantedRow[],
  numTop: number,
): TokenLogProbs[] {
  const logits = runner.head(
    hidden,
    rows.map(({ row }) => row),
  ); // [R, V]
  const logProbs = logits.logSoftmax(-1, logits.dtype === 'float64' ? 'float64' : 'float32');
  const ids = rows.map(({ target }) => target);
  const index = intTensor(ids, [ids.length, 1], { device: logProbs.device });
  const chosen = logProbs.gather(1, index).toFloat32Array(); // [R, 1]
  const [values, places] =
    numTop === 0 ? [] : topkOp(logProbs, Math.min(numTop, logProbs.size(1)), -1, true, true);
  const topValues = values?.toFloat32Array() ?? new Float32Array(0); // [R, K]
  const topIds = places === undefined ? new Float64Array(0) : places.to('float64').toFloat64Array();
  const width = values?.size(1) ?? 0;
  return rows.map(({ target: id, askedIds }, row) => {
    const top: TokenLogProb[] = Array.from({ length: width }, (_, rank) => ({
      id: topIds[row * width + rank] ?? 0,
      logProb: topValues[row * width + rank] ?? 0,
    }));
    const asked = askedIds.length === 0 ? {} : { asked: askedOf(logProbs, row, askedIds) };
    return { chosen: { id, logProb: chosen[row] ?? 0 }, top, ...asked };
  });
}

/** @param logProbs [R, V] */
function askedOf(logProbs: Tensor, row: number, ids: readonly number[]): number[] {
  const index = intTensor(ids, [ids.length], { device: logProbs.device });
  return Array.from(logProbs.select(0, row).indexSelect(0, index).toFloat32Array());
}
