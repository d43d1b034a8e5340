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
   * Takes what a chunk of the prompt brings; one that runs again after a preemption brings nothing new.
   * @param hidden [1, T, D] @param row of T, where the chunk begins @param position of its first token
   */
  add(runner: ModelRunner, hidden: Tensor, row: number, position: number, count: number): void {
    const first = this.#results.length;
    const targets = this.#promptIds.slice(first, position + count + 1);
    if (targets.length === 0) return;
    if (first <= position)
      throw new RangeError(`log-probabilities of tokens ${first} to ${position} are missing`);
    const rows = targets.map((_, index) => row + first - 1 - position + index);
    this.#results.push(...promptLogProbs(runner, hidden, rows, targets, this.#numTop, this.#askedIds));
  }

  /** Once, when they are complete: one for each token of the prompt. */
  take(): readonly (TokenLogProbs | null)[] | undefined {
    if (this.#isTaken || !this.#isComplete) return undefined;
    this.#isTaken = true;
    return this.#results;
  }
}

/**
 * What the model says of each target.
 *
 * Shapes: T tokens of the step, D hidden, R rows of a piece, V vocabulary, K alternatives.
 * @param hidden [1, T, D] @param rows the places before the targets @param numTop most probable tokens to give
 * @param askedIds ids to give for each row, too
 */
function promptLogProbs(
  runner: ModelRunner,
  hidden: Tensor,
  rows: readonly number[],
  targets: readonly number[],
  numTop: number,
  askedIds: readonly number[],
): TokenLogProbs[] {
  const results: TokenLogProbs[] = [];
  for (let start = 0; start < rows.length; start += ROWS)
    scope(() => {
      const ids = targets.slice(start, start + ROWS);
      const logits = runner.head(hidden, rows.slice(start, start + ROWS)); // [R, V]
      const logProbs = logits.logSoftmax(-1, logits.dtype === 'float64' ? 'float64' : 'float32');
      const index = intTensor(ids, [ids.length, 1], { device: logProbs.device });
      const chosen = logProbs.gather(1, index).toFloat32Array(); // [R, 1]
      const [values, places] =
        numTop === 0 ? [] : topkOp(logProbs, Math.min(numTop, logProbs.size(1)), -1, true, true);
      const topValues = values?.toFloat32Array() ?? new Float32Array(0); // [R, K]
      const topIds = places === undefined ? new Float64Array(0) : places.to('float64').toFloat64Array();
      const width = values?.size(1) ?? 0;
      const asked = askedOf(logProbs, askedIds);
      for (const [row, id] of ids.entries()) {
        const top: TokenLogProb[] = Array.from({ length: width }, (_, rank) => ({
          id: topIds[row * width + rank] ?? 0,
          logProb: topValues[row * width + rank] ?? 0,
        }));
        results.push({
          chosen: { id, logProb: chosen[row] ?? 0 },
          top,
          ...(asked !== undefined && {
            asked: Array.from(asked.subarray(row * askedIds.length, (row + 1) * askedIds.length)),
          }),
        });
      }
    });
  return results;
}

/** [R, A] of the asked ids, flat; undefined where none are. */
function askedOf(logProbs: Tensor, ids: readonly number[]): Float32Array | undefined {
  if (ids.length === 0) return undefined;
  const index = intTensor(ids, [ids.length], { device: logProbs.device });
  return logProbs.indexSelect(1, index).toFloat32Array();
}
