/** What part of the values a chart shows: all of them, or all but a few that would press the others flat. */

export interface ChartRange {
  readonly low: number;
  readonly high: number;
  /** How many values lie beyond, and the one that is farthest; 0 and NaN where none does. */
  readonly beyond: number;
  readonly farthest: number;
}

export interface RangeOptions {
  readonly fromZero: boolean;
  readonly logY: boolean;
  /** Leave outliers beyond the edge. */
  readonly clips: boolean;
}

/** Fewer values have no outliers. */
const LEAST_VALUES = 20;
/** An outlier lies farther from the middle 96 of 100 values than so many times their spread. */
const FAR = 6;

/** @returns undefined where there is nothing to show */
export function chartRange(
  all: readonly (number | null)[],
  { fromZero, logY, clips }: RangeOptions,
): ChartRange | undefined {
  const values = all.filter(
    (value): value is number => value !== null && Number.isFinite(value) && !(logY && value <= 0),
  );
  if (values.length === 0) return undefined;
  values.sort((a, b) => a - b);
  // A logarithmic axis has room for everything.
  const [from, to] = clips && !logY ? usualRange(values) : [0, values.length];
  const low = values[from] ?? 0;
  const high = values[to - 1] ?? 0;
  const beyond = values.length - (to - from);
  const last = values.at(-1) ?? high;
  const farthest = beyond === 0 ? Number.NaN : to < values.length ? last : (values[0] ?? low);
  return { ...withRoom(low, high, { fromZero, logY }), beyond, farthest };
}

/** Of sorted values: the first one that is shown, and the one behind the last. */
function usualRange(values: readonly number[]): [number, number] {
  const { length } = values;
  if (length < LEAST_VALUES) return [0, length];
  const usualLow = values[Math.floor(0.02 * (length - 1))] ?? 0;
  const usualHigh = values[Math.ceil(0.98 * (length - 1))] ?? 0;
  const spread = Math.max(usualHigh - usualLow, Math.abs(usualHigh) * 0.05);
  if (spread === 0) return [0, length];
  const from = values.findIndex((value) => value >= usualLow - FAR * spread);
  const to = values.findLastIndex((value) => value <= usualHigh + FAR * spread) + 1;
  return [from, to];
}

function withRoom(
  low: number,
  high: number,
  { fromZero, logY }: Omit<RangeOptions, 'clips'>,
): { low: number; high: number } {
  if (fromZero) return { low: 0, high: high > 0 ? high * 1.08 : 1 };
  if (logY) return { low: low * 0.97, high: high * 1.03 };
  const room = high > low ? (high - low) * 0.05 : Math.max(Math.abs(low) * 0.1, 1e-6);
  return { low: low >= 0 ? Math.max(low - room, 0) : low - room, high: high + room };
}
