/** Elo's ratings, updated battle by battle as Chatbot Arena did: they depend on the order, which is why orders are drawn. */
import type { Battle } from './battle.js';

const START = 1000;
const SCALE = 400;

/** @param k points at stake in a battle. Default 4, Arena's */
export function eloRatings(models: number, battles: readonly Battle[], k = 4): number[] {
  const ratings = new Array<number>(models).fill(START);
  for (const { one, other, score } of battles) {
    const [ours = START, theirs = START] = [ratings[one], ratings[other]];
    const expected = 1 / (1 + 10 ** ((theirs - ours) / SCALE));
    ratings[one] = ours + k * (score - expected);
    ratings[other] = theirs - k * (score - expected);
  }
  return ratings;
}
