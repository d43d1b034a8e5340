/** Ticks and number labels of the loss plots: terminal (loss-plot.ts) and SVG (loss-svg.ts). */

/** A range of values from low to high, never empty. */
export interface PlotRange {
  low: number;
  high: number;
}

/** The range of the finite values; 0 to 1 where there are none, and some room around a single value. */
export function rangeOf(values: Iterable<number>): PlotRange {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return { low: 0, high: 1 };
  const room = low === high ? Math.max(Math.abs(low) * 0.1, 0.5) : 0;
  return { low: low - room, high: high + room };
}

/** The distance of about `count` ticks over a range: 1, 2 or 5 times a power of ten, not below `smallest`. */
export function tickStep(range: PlotRange, count: number, smallest = 0): number {
  const rough = Math.max((range.high - range.low) / Math.max(count, 1), smallest, Number.MIN_VALUE);
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= rough * 0.999) ?? 10;
  return Math.max(factor * power, smallest);
}

/** The multiples of `step` within the range. */
export function ticksOf(range: PlotRange, step: number): number[] {
  const first = Math.ceil(range.low / step - 1e-6);
  const last = Math.floor(range.high / step + 1e-6);
  return Array.from({ length: Math.max(last - first + 1, 0) }, (_, index) => (first + index) * step);
}

/** The range from 0 on, where it begins close to 0: a run's first step is 1. */
export function fromZero(range: PlotRange): PlotRange {
  return range.low > 0 && range.low < range.high * 0.05 ? { low: 0, high: range.high } : range;
}

/** A tick with as many decimals as its step needs: 0.5, 1.0, 1.5. */
export function formatTick(value: number, step: number): string {
  const decimals = Math.min(Math.max(-Math.floor(Math.log10(step) + 1e-9), 0), 8);
  return Math.abs(value) >= 1e6 || (value !== 0 && step < 1e-6)
    ? value.toExponential(1)
    : value.toFixed(decimals);
}

/** A step count: 800, 1.5k, 12k, 3M. */
export function formatStep(step: number): string {
  const shorten = (value: number, unit: string): string => `${Number(value.toFixed(2))}${unit}`;
  if (Math.abs(step) >= 1e6) return shorten(step / 1e6, 'M');
  if (Math.abs(step) >= 1e4 || (Math.abs(step) >= 1e3 && step % 100 === 0)) return shorten(step / 1e3, 'k');
  return `${Number(step.toFixed(2))}`;
}

/** A measured loss: three significant decimals below 10. */
export function formatLoss(loss: number): string {
  if (!Number.isFinite(loss)) return `${loss}`;
  return Math.abs(loss) >= 1e5 ? loss.toExponential(2) : loss.toFixed(Math.abs(loss) < 10 ? 3 : 1);
}
