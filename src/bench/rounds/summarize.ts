/** Numbers of several rounds to a best, a median, a spread; and of two sides to a ratio. */

export interface Summary {
  readonly best: number;
  readonly median: number;
  /** (greatest - least) / median. */
  readonly spread: number;
  /** In the order of the rounds. */
  readonly values: readonly number[];
}

export type Better = 'higher' | 'lower';

/** @throws TypeError for no values */
export function summarize(values: readonly number[], better: Better): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  const [least, greatest] = [sorted[0], sorted.at(-1)];
  if (least === undefined || greatest === undefined) throw new TypeError('nothing was measured');
  const median = middle(sorted);
  return {
    best: better === 'higher' ? greatest : least,
    median,
    spread: median === 0 ? 0 : (greatest - least) / median,
    values,
  };
}

/** The mean of the two in the middle where there are two. @param sorted at least one */
function middle(sorted: readonly number[]): number {
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2;
}

export interface Ratio {
  /** Best of ours / best of theirs. */
  readonly best: number;
  readonly median: number;
  /** Of the rounds, each by itself. */
  readonly least: number;
  readonly greatest: number;
}

/** Ours / theirs, whatever is better. @throws TypeError for no rounds that both sides have */
export function ratioOf(ours: Summary, theirs: Summary): Ratio {
  const rounds = ours.values.flatMap((value, round) => {
    const other = theirs.values[round];
    return other === undefined ? [] : [value / other];
  });
  if (rounds.length === 0) throw new TypeError('no round has both sides');
  return {
    best: ours.best / theirs.best,
    median: ours.median / theirs.median,
    least: Math.min(...rounds),
    greatest: Math.max(...rounds),
  };
}

/** The exponent k of y = c x^k, by least squares of the logarithms. @returns NaN of fewer than two sizes */
export function exponentOf(points: readonly { readonly size: number; readonly value: number }[]): number {
  const logs = points.map(({ size, value }) => [Math.log(size), Math.log(value)] as const);
  const mean = (place: 0 | 1): number => logs.reduce((sum, each) => sum + each[place], 0) / logs.length;
  const [x, y] = [mean(0), mean(1)];
  const covariance = logs.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0);
  return covariance / logs.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
}
