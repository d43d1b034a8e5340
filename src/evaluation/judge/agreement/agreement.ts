/** How far a judge and people agree. */

export type KappaWeights = 'none' | 'linear' | 'quadratic';

/**
 * Cohen's kappa of two raters (Cohen 1960; weighted 1968): agreement beyond chance, 1 at most. Categories are numbered in their
 * order. Undefined where chance alone would agree always, as when both gave one category to all.
 */
export function cohenKappa(
  one: readonly number[],
  other: readonly number[],
  categories: number,
  weights: KappaWeights = 'none',
): number | undefined {
  const n = one.length;
  const distance = (a: number, b: number): number => {
    switch (weights) {
      case 'none':
        return a === b ? 0 : 1;
      case 'linear':
        return Math.abs(a - b);
      case 'quadratic':
        return (a - b) ** 2;
    }
  };
  const share = (rated: readonly number[], category: number): number =>
    rated.filter((value) => value === category).length / n;
  const observed = one.reduce((sum, value, place) => sum + distance(value, other[place] ?? value), 0) / n;
  let expected = 0;
  for (let a = 0; a < categories; a++)
    for (let b = 0; b < categories; b++) expected += distance(a, b) * share(one, a) * share(other, b);
  return n === 0 || expected === 0 ? undefined : 1 - observed / expected;
}

/** Spearman's rank correlation; equal values share the mean of their ranks. Undefined where one side never varies. */
export function spearman(one: readonly number[], other: readonly number[]): number | undefined {
  return pearson(ranksOf(one), ranksOf(other));
}

/** From 1. */
function ranksOf(values: readonly number[]): number[] {
  const order = values.map((_, place) => place).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  const ranks = new Array<number>(values.length).fill(0);
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && values[order[end] ?? 0] === values[order[start] ?? 0]) end += 1;
    for (const place of order.slice(start, end)) ranks[place] = (start + 1 + end) / 2;
    start = end;
  }
  return ranks;
}

function pearson(one: readonly number[], other: readonly number[]): number | undefined {
  const n = one.length;
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / n;
  const [m1, m2] = [mean(one), mean(other)];
  let [both, first, second] = [0, 0, 0];
  for (const [place, value] of one.entries()) {
    const [a, b] = [value - m1, (other[place] ?? m2) - m2];
    both += a * b;
    first += a * a;
    second += b * b;
  }
  return first === 0 || second === 0 ? undefined : both / Math.sqrt(first * second);
}
