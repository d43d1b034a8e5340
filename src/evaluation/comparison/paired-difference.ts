/** How much a second run scores above a first one on the same samples, and how sure that is. */

/** Two-sided 95 %. */
const Z = 1.959963984540054;

export interface ScorePair {
  readonly first: number;
  readonly second: number;
  /** Its share of the whole; all together 1. */
  readonly weight: number;
}

export interface PairedDifference {
  /** Second minus first. */
  readonly difference: number;
  /** 95 %; null where there are too few samples to tell. */
  readonly interval: readonly [number, number] | null;
}

/**
 * Of values that are 0 or 1 the interval is that of D. Bonett and R. Price (J. Educ. Behav. Stat. 37, 2012), which is never of no
 * width because few samples agree; else the weighted sum with the standard error of its terms.
 */
export function pairedDifference(pairs: readonly ScorePair[]): PairedDifference {
  const difference = sumOf(pairs, ({ first, second, weight }) => weight * (second - first));
  const isShare = pairs.every(({ first, second }) => isBit(first) && isBit(second));
  if (pairs.length === 0) return { difference: 0, interval: null };
  if (isShare) return { difference, interval: intervalOfShares(pairs) };
  const n = pairs.length;
  if (n < 2) return { difference, interval: null };
  const squares = sumOf(pairs, ({ first, second, weight }) => (weight * (second - first - difference)) ** 2);
  const half = Z * Math.sqrt((squares * n) / (n - 1));
  return { difference, interval: [difference - half, difference + half] };
}

/** Points over possible points. */
export function pairedRatio(
  pairs: readonly { readonly first: number; readonly second: number; readonly possible: number }[],
): PairedDifference {
  const total = sumOf(pairs, ({ possible }) => possible);
  const n = pairs.length;
  if (total === 0) return { difference: 0, interval: null };
  const difference = sumOf(pairs, ({ first, second }) => second - first) / total;
  if (n < 2) return { difference, interval: null };
  const squares = sumOf(
    pairs,
    ({ first, second, possible }) => (second - first - difference * possible) ** 2,
  );
  const half = (Z * Math.sqrt((squares * n) / (n - 1))) / total;
  return { difference, interval: [difference - half, difference + half] };
}

function intervalOfShares(pairs: readonly ScorePair[]): readonly [number, number] {
  // As many samples of equal weight as would tell as much.
  const n = 1 / sumOf(pairs, ({ weight }) => weight ** 2);
  const shareOf = (holds: (pair: ScorePair) => boolean): number =>
    sumOf(pairs, (pair) => (holds(pair) ? pair.weight : 0));
  const gained = (n * shareOf(({ first, second }) => second > first) + 1) / (n + 2);
  const lost = (n * shareOf(({ first, second }) => second < first) + 1) / (n + 2);
  const centre = gained - lost;
  const half = Z * Math.sqrt((gained + lost - centre ** 2) / (n + 2));
  return [Math.max(-1, centre - half), Math.min(1, centre + half)];
}

function isBit(value: number): boolean {
  return value === 0 || value === 1;
}

function sumOf<Item>(items: readonly Item[], amountOf: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + amountOf(item), 0);
}
