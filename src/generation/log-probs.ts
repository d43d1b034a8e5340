/** Log-probabilities of the chosen and of the most probable tokens of a row. */
import { InputError } from '../errors/index.js';
import { expNonPositive, minExponent } from './exp-non-positive.js';
import { greedyToken } from './sampler.js';
import type { LogitsRow } from './sampling-parameters.js';

export interface TokenLogProb {
  readonly id: number;
  /** Natural logarithm of the probability. */
  readonly logProb: number;
}

export interface TokenLogProbs {
  readonly chosen: TokenLogProb;
  /** The most probable tokens, descending; of equals the smaller id first. */
  readonly top: readonly TokenLogProb[];
  /** Of the ids that were asked for by `promptLogProbIds`, in their order. */
  readonly asked?: readonly number[];
}

/**
 * log softmax of a row at one token and at the `numTop` most probable ones, without temperature, penalties or
 * filters unless the row carries them. Accumulated in float64, shifted by the maximum.
 * @throws InputError if `chosenId` is outside the row, `numTop` is not from 0 to its length, or the row holds
 *   NaN or no finite maximum
 */
export function tokenLogProbs(row: LogitsRow, chosenId: number, numTop = 0): TokenLogProbs {
  if (row[chosenId] === undefined) {
    throw new InputError(`logProbs: token ${chosenId}; the vocabulary has ids 0 to ${row.length - 1}`);
  }
  if (!Number.isSafeInteger(numTop) || numTop < 0 || numTop > row.length) {
    throw new InputError(`logProbs: ${numTop} alternatives; give a whole number from 0 to ${row.length}`);
  }
  const normalizer = logNormalizer(row);
  const logProbAt = (id: number): TokenLogProb => ({ id, logProb: row[id]! - normalizer });
  return { chosen: logProbAt(chosenId), top: largestIds(row, numTop).map(logProbAt) };
}

/**
 * log of the sum of the exponentials of a row: what a logit is above its log-probability.
 * @throws NonFiniteError if the row holds NaN or no finite maximum
 */
export function logNormalizer(row: LogitsRow): number {
  const max = row[greedyToken(row)]!;
  let sum = 0;
  for (let id = 0; id < row.length; id++) {
    const difference = row[id]! - max;
    if (difference >= minExponent) sum += expNonPositive(difference);
  }
  return max + Math.log(sum);
}

/** Ids of the `count` largest values, descending, by insertion: meant for the few tens that APIs offer. */
function largestIds(row: LogitsRow, count: number): number[] {
  const ids: number[] = [];
  if (count === 0) return ids;
  let lowest = -Infinity;
  for (let id = 0; id < row.length; id++) {
    const value = row[id]!;
    if (ids.length === count && !(value > lowest)) continue;
    if (ids.length === count) ids.pop();
    let index = ids.length;
    while (index > 0 && row[ids[index - 1]!]! < value) index -= 1;
    ids.splice(index, 0, id);
    lowest = row[ids[ids.length - 1]!]!;
  }
  return ids;
}
