/** McNemar's test: do two runs differ in which samples they get right? (Q. McNemar, Psychometrika 12, 1947) */

export interface McNemarResult {
  /** Right in the first run alone, and in the second alone: nothing else tells. */
  readonly firstOnly: number;
  readonly secondOnly: number;
  /** exact: binomial; chi-squared: with continuity correction (A. Edwards, Psychometrika 13, 1948). */
  readonly method: 'exact' | 'chi-squared';
  /** Two-sided: the chance of so great a difference, or a greater one, where there is none. */
  readonly p: number;
}

/** Fewer discordant pairs than these are counted out exactly. */
const FEW = 25;

export function mcnemar(firstOnly: number, secondOnly: number): McNemarResult {
  const n = firstOnly + secondOnly;
  if (n < FEW) {
    const p = Math.min(1, 2 * binomialUpTo(Math.min(firstOnly, secondOnly), n));
    return { firstOnly, secondOnly, method: 'exact', p };
  }
  // The correction never goes beyond no difference at all.
  const corrected = Math.max(0, Math.abs(firstOnly - secondOnly) - 1);
  return { firstOnly, secondOnly, method: 'chi-squared', p: erfc(Math.sqrt(corrected ** 2 / n / 2)) };
}

/** P(X <= k) of n fair coins. */
function binomialUpTo(k: number, n: number): number {
  let ways = 1;
  let sum = 0;
  for (let i = 0; i <= k; i++) {
    sum += ways;
    ways = (ways * (n - i)) / (i + 1);
  }
  return sum / 2 ** n;
}

/** 1 - erf(x) for x >= 0: below 2 by the series of erf, above by Lentz's continued fraction (Abramowitz & Stegun 7.1.6, 7.1.14). */
export function erfc(x: number): number {
  const scale = Math.exp(-x * x) / Math.sqrt(Math.PI);
  if (x < 2) {
    let term = 2 * x;
    let sum = term;
    for (let n = 1; term > sum * 1e-17; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return 1 - scale * sum;
  }
  let fraction = 0;
  for (let n = 200; n > 0; n--) fraction = n / 2 / (x + fraction);
  return scale / (x + fraction);
}
