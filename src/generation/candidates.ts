/** The tokens that are left to sample from after top-k, top-p and min-p. */
import { expNonPositive, minExponent } from './exp-non-positive.js';
import type { LogitsRow } from './sampling-parameters.js';
import { nextNotBelow } from './scan-row.js';
import { kthLargest, selectDescending } from './select-descending.js';

/**
 * The tokens still in play for one draw: ids in ascending order and their unnormalised probabilities
 * exp((logit - max) / temperature). The arrays are as long as the largest vocabulary met and serve every
 * sequence of a thread, because a draw is never interrupted.
 */
export class Candidates {
  length = 0;
  /** Sum of weights[0, length), added in that order. */
  total = 0;
  ids = new Int32Array(0);
  weights = new Float64Array(0);
  #scratch = new Float64Array(0);

  /**
   * Takes the tokens of a row: the `topK` largest logits and all equal to the k-th, or every token where
   * topK is 0; never those whose weight is below e^-708, which counts as 0.
   * @param max largest logit of the row, finite
   */
  fill(row: LogitsRow, max: number, temperature: number, topK: number): void {
    this.#reserve(row.length);
    const gathered = this.#gather(row, topK);
    // In differences from the maximum, where no size of logits or temperature loses the bound to rounding.
    const leastDifference = Math.max(minExponent * temperature, -Number.MAX_VALUE);
    const { ids, weights } = this;
    let length = 0;
    let total = 0;
    for (let i = 0; i < gathered; i++) {
      const id = ids[i]!;
      const difference = row[id]! - max;
      if (difference < leastDifference) continue;
      const weight = expNonPositive(difference / temperature);
      ids[length] = id;
      weights[length++] = weight;
      total += weight;
    }
    this.length = length;
    this.total = total;
  }

  /**
   * Keeps the fewest most probable tokens whose mass reaches `topP` of the total, at least one. Equivalently
   * removes in ascending order while the cumulative mass is at most 1 - topP, a stable order: of equally
   * probable tokens (of equal weights in float64) the smaller id goes first.
   */
  keepTopP(topP: number): void {
    const { weights, length, total } = this;
    const target = topP * total;
    // All entries below this bound together hold less than (1 - topP) of the mass, so none can be kept.
    // The largest weight is 1: whatever the rounding, it stays.
    const bound = Math.min(1, (total - target) / length);
    const scratch = this.#scratch;
    let contenders = 0;
    for (let i = 0; i < length; i++) {
      const weight = weights[i]!;
      if (weight >= bound) scratch[contenders++] = weight;
    }
    const { value, above, ties } = selectDescending(scratch, contenders, target, true);
    let keptTies = 1;
    while (keptTies < ties && above + keptTies * value < target) keptTies += 1;
    let tiesToDrop = ties - keptTies;
    this.#keep((weight) => weight > value || (weight === value && tiesToDrop-- <= 0));
  }

  /** Keeps tokens with at least `minP` times the probability of the most probable one, whose weight is 1. */
  keepMinP(minP: number): void {
    this.#keep((weight) => weight >= minP);
  }

  /** The id at which the cumulative mass first exceeds `uniform` (in [0, 1)) of the total. */
  draw(uniform: number): number {
    const target = uniform * this.total;
    const { weights, length } = this;
    let cumulative = 0;
    for (let i = 0; i < length; i++) {
      cumulative += weights[i]!;
      if (cumulative > target) return this.ids[i]!;
    }
    return this.ids[length - 1]!;
  }

  #keep(isKept: (weight: number) => boolean): void {
    const { ids, weights } = this;
    let kept = 0;
    let total = 0;
    for (let i = 0; i < this.length; i++) {
      const weight = weights[i]!;
      if (!isKept(weight)) continue;
      ids[kept] = ids[i]!;
      weights[kept++] = weight;
      total += weight;
    }
    this.length = kept;
    this.total = total;
  }

  /** Writes the ids that pass top-k and returns how many they are. */
  #gather(row: LogitsRow, topK: number): number {
    const { ids } = this;
    let length = 0;
    if (topK === 0 || topK >= row.length) {
      while (length < row.length) ids[length] = length++;
      return length;
    }
    const lowest = kthLargest(row, topK, this.#scratch);
    for (let id = nextNotBelow(row, 0, lowest); id < row.length; id = nextNotBelow(row, id + 1, lowest)) {
      ids[length++] = id;
    }
    return length;
  }

  #reserve(length: number): void {
    if (this.ids.length >= length) return;
    this.ids = new Int32Array(length);
    this.weights = new Float64Array(length);
    this.#scratch = new Float64Array(length);
  }
}
