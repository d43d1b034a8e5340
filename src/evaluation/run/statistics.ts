/** How sure a mean is. */

/** Two-sided 95 %. */
const Z = 1.959963984540054;

export interface Estimate {
  readonly score: number;
  readonly stderr: number;
  /** 95 %, lower and upper end. */
  readonly interval: readonly [number, number];
}

/** Wilson's interval for shares, which stays within 0 and 1 and is right for few samples. */
export function wilsonInterval(share: number, n: number): readonly [number, number] {
  if (n === 0) return [0, 1];
  const scale = 1 + Z ** 2 / n;
  const centre = (share + Z ** 2 / (2 * n)) / scale;
  const half = (Z / scale) * Math.sqrt((share * (1 - share)) / n + Z ** 2 / (4 * n ** 2));
  // Of none and of all the share itself is an end, but for rounding.
  return [Math.max(0, Math.min(share, centre - half)), Math.min(1, Math.max(share, centre + half))];
}

/** The mean of values from 0 to 1; its error is the sample's standard deviation over the root of n. */
export function estimateMean(values: readonly number[]): Estimate {
  const n = values.length;
  const score = n === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / n;
  const stderr = Math.sqrt(varianceOf(values, score) / Math.max(n, 1));
  const isShare = values.every((value) => value === 0 || value === 1);
  const most = values.reduce((greatest, value) => Math.max(greatest, Math.abs(value)), 1);
  return { score, stderr, interval: isShare ? wilsonInterval(score, n) : aroundScore(score, stderr, most) };
}

/** The plain mean of the means of groups. Groups too small to tell how they vary vary as all values do. */
export function estimateMeanOfGroups(groups: readonly (readonly number[])[]): Estimate {
  const parts = groups.filter(({ length }) => length > 0);
  const count = Math.max(parts.length, 1);
  const all = parts.flat();
  const overall = varianceOf(all, estimateMean(all).score);
  const means = parts.map((values) => estimateMean(values).score);
  const score = means.reduce((sum, mean) => sum + mean, 0) / count;
  const variance = parts.reduce((sum, values, place) => {
    const own = values.length < 2 ? overall : varianceOf(values, means[place] ?? 0);
    return sum + own / values.length;
  }, 0);
  const stderr = Math.sqrt(variance) / count;
  // As many samples of equal weight as would tell as much: never sure of a share because few samples agree.
  const equal = count ** 2 / parts.reduce((sum, { length }) => sum + 1 / length, 0);
  const isShare = all.every((value) => value === 0 || value === 1);
  return {
    score,
    stderr,
    interval: isShare && all.length > 0 ? wilsonInterval(score, equal) : aroundScore(score, stderr),
  };
}

/** Points over possible points: a ratio of two sums. */
export function estimateRatio(points: readonly number[], possible: readonly number[]): Estimate {
  const total = possible.reduce((sum, value) => sum + value, 0);
  const score = total === 0 ? 0 : points.reduce((sum, value) => sum + value, 0) / total;
  const n = points.length;
  const squares = points.reduce(
    (sum, value, index) => sum + (value - score * (possible[index] ?? 0)) ** 2,
    0,
  );
  const stderr = total === 0 || n < 2 ? 0 : Math.sqrt((squares * n) / (n - 1)) / total;
  if (n < 2) return { score, stderr, interval: [0, 1] };
  if (squares > 0) return { score, stderr, interval: aroundScore(score, stderr) };
  // All alike: as sure as of a share of as many samples of equal weight.
  const equal = total ** 2 / possible.reduce((sum, value) => sum + value ** 2, 0);
  return { score, stderr, interval: wilsonInterval(score, equal) };
}

function varianceOf(values: readonly number[], mean: number): number {
  if (values.length < 2) return 0;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
}

function aroundScore(score: number, stderr: number, most = 1): readonly [number, number] {
  return [Math.max(0, score - Z * stderr), Math.min(most, score + Z * stderr)];
}
