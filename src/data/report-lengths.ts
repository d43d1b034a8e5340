/** Lengths of samples: quantiles and a histogram over quarter octaves, in one pass over the lengths. */

export interface LengthBin {
  /** Smallest and largest length that is counted here. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

export interface LengthSummary {
  readonly samples: number;
  readonly min: number;
  readonly mean: number;
  readonly median: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  /** From the first bin that has a sample to the last. */
  readonly histogram: readonly LengthBin[];
}

/** Bins to a doubling of the length. */
const BINS_PER_OCTAVE = 4;

/** @param lengths samples of length 0 were not encoded and do not count */
export function summarizeLengths(lengths: Uint32Array): LengthSummary {
  const sorted = lengths.filter((length) => length > 0).sort();
  const samples = sorted.length;
  const quantile = (share: number): number => sorted[Math.min(samples - 1, Math.floor(share * samples))] ?? 0;
  const total = sorted.reduce((sum, length) => sum + length, 0);
  return {
    samples,
    min: sorted[0] ?? 0,
    mean: samples === 0 ? 0 : total / samples,
    median: quantile(0.5),
    p90: quantile(0.9),
    p99: quantile(0.99),
    max: sorted[samples - 1] ?? 0,
    histogram: histogramOf(sorted),
  };
}

function histogramOf(sorted: Uint32Array): LengthBin[] {
  const bins: LengthBin[] = [];
  const [first, last] = [sorted[0], sorted[sorted.length - 1]];
  if (first === undefined || last === undefined) return bins;
  let next = 0;
  for (let bin = Math.floor(BINS_PER_OCTAVE * Math.log2(first)); next < sorted.length; bin++) {
    const from = edge(bin);
    const to = edge(bin + 1) - 1;
    if (to < from || to < first) continue;
    const start = next;
    while (next < sorted.length && sorted[next]! <= to) next += 1;
    bins.push({ from, to, count: next - start });
  }
  return bins;
}

/** Smallest length of a bin; below 4 several bins share one length and all but one are empty. */
function edge(bin: number): number {
  return Math.ceil(2 ** (bin / BINS_PER_OCTAVE) - 1e-9);
}
