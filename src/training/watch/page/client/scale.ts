/** Axes: values to places, and where the ticks stand. */

export interface Scale {
  readonly low: number;
  readonly high: number;
  readonly isLog: boolean;
  /** 0 at `low`, 1 at `high`. */
  position(value: number): number;
  readonly ticks: readonly number[];
}

export function makeScale(low: number, high: number, isLog: boolean, tickCount: number): Scale {
  if (isLog && low > 0) return logScale(low, Math.max(high, low * 1.0001), tickCount);
  const top = high > low ? high : low + Math.max(Math.abs(low) * 0.1, 1e-12);
  return {
    low,
    high: top,
    isLog: false,
    position: (value) => (value - low) / (top - low),
    ticks: linearTicks(low, top, tickCount),
  };
}

function logScale(low: number, high: number, tickCount: number): Scale {
  const start = Math.log(low);
  const span = Math.log(high) - start;
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++)
    for (const factor of [1, 2, 5]) {
      const tick = factor * 10 ** power;
      if (tick >= low * 0.9999 && tick <= high * 1.0001) ticks.push(tick);
    }
  return {
    low,
    high,
    isLog: true,
    position: (value) => (Math.log(Math.max(value, Number.MIN_VALUE)) - start) / span,
    ticks: ticks.length < 3 ? linearTicks(low, high, tickCount) : thinned(ticks, tickCount),
  };
}

function linearTicks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10) * power;
  const first = Math.ceil(low / step - 1e-6);
  const last = Math.floor(high / step + 1e-6);
  return Array.from({ length: Math.max(last - first + 1, 0) }, (_, index) => (first + index) * step);
}

/** Powers of ten first, where all would stand too close. */
function thinned(ticks: readonly number[], count: number): number[] {
  if (ticks.length <= count + 2) return [...ticks];
  const powers = ticks.filter((tick) => Math.abs(Math.log10(tick) - Math.round(Math.log10(tick))) < 1e-9);
  return powers.length >= 2 ? powers : ticks.filter((_, index) => index % 2 === 0);
}
