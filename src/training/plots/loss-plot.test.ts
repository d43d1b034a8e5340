import { describe, expect, it } from 'vitest';
import { plotLossTerminal } from './loss-plot.js';
import { renderLossSvg } from './loss-svg.js';
import { fromZero, rangeOf, tickStep, ticksOf } from './plot-ticks.js';

const falling = Array.from({ length: 400 }, (_, index) => ({
  step: index + 1,
  loss: 0.5 + 6 * Math.exp(-index / 60) + 0.1 * Math.sin(index * 7),
}));
const tuned = falling.slice(0, 100).map(({ step, loss }) => ({ step: 400 + step, loss: loss / 3 }));

describe('ticks', () => {
  it('are multiples of 1, 2 or 5 times a power of ten', () => {
    for (const [high, count, step] of [
      [7, 5, 2],
      [0.9, 5, 0.2],
      [1200, 8, 200],
      [40_000, 5, 10_000],
    ] as const)
      expect(tickStep({ low: 0, high }, count), `0 to ${high} in ${count}`).toBeCloseTo(step, 12);
    expect(ticksOf({ low: 0.9, high: 3.1 }, 1)).toEqual([1, 2, 3]);
    expect(ticksOf({ low: 0, high: 2 }, 0.5)).toEqual([0, 0.5, 1, 1.5, 2]);
  });

  it('give a range to nothing and to a single value', () => {
    expect(rangeOf([])).toEqual({ low: 0, high: 1 });
    expect(rangeOf([Number.NaN, 3])).toEqual({ low: 2.5, high: 3.5 });
    expect(fromZero({ low: 1, high: 400 })).toEqual({ low: 0, high: 400 });
    expect(fromZero({ low: 300, high: 400 })).toEqual({ low: 300, high: 400 });
  });
});

describe('plotLossTerminal', () => {
  it('fills the given size and falls from the upper left to the lower right', () => {
    const lines = plotLossTerminal(falling, { width: 60, height: 12 }).split('\n');
    expect(lines).toHaveLength(12);
    for (const line of lines) expect([...line].length, line).toBeLessThanOrEqual(60);
    expect(lines[0]?.slice(9, 12)).toMatch(/[⠁-⣿]/);
    expect(lines[8]?.slice(50)).toMatch(/[⠁-⣿]/);
    expect(lines[0]?.slice(30).trim()).toBe('');
    expect(lines.at(-1)).toContain('loss 6.500 → ');
  });

  it('names each series and colours it on request', () => {
    const points = [
      ...falling.map((point) => ({ ...point, series: 'pre-training' })),
      ...tuned.map((point) => ({ ...point, series: 'fine-tuning' })),
    ];
    const plain = plotLossTerminal(points);
    expect(plain).toMatch(/pre-training 6\.500 → .*fine-tuning 2\.167 → /);
    expect(plain).not.toContain('\u001b');
    expect(plotLossTerminal(points, { color: true })).toContain('\u001b[33m');
  });

  it('takes no point, one point and losses that are not finite', () => {
    expect(plotLossTerminal([], { width: 40, height: 8 })).toContain('no finite loss was recorded');
    const one = plotLossTerminal([
      { step: 5, loss: 2 },
      { step: 6, loss: Number.NaN },
      { step: 7, loss: Number.POSITIVE_INFINITY },
    ]);
    expect(one).toContain('2.000 → 2.000 (2 not finite)');
    expect(one.match(/[⠁-⣿]/g)?.length).toBeGreaterThan(0);
  });
});

describe('renderLossSvg', () => {
  it('draws every series with its name and last loss, without anything outside the picture', () => {
    const svg = renderLossSvg(
      [
        { name: 'pre-training', points: falling },
        { name: '<fine & tuning>', points: tuned },
      ],
      { title: 'Loss', width: 700, height: 400 },
    );
    expect(svg).toContain('&lt;fine &amp; tuning&gt;');
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" width="700" height="400"/);
    expect(svg).not.toMatch(/NaN|Infinity|undefined|href|url\(/);
    for (const [, x, y] of svg.matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g)) {
      expect(Number(x), `x of ${x} ${y}`).toBeGreaterThanOrEqual(0);
      expect(Number(x), `x of ${x} ${y}`).toBeLessThanOrEqual(700);
      expect(Number(y), `y of ${x} ${y}`).toBeGreaterThanOrEqual(0);
      expect(Number(y), `y of ${x} ${y}`).toBeLessThanOrEqual(400);
    }
  });

  it('keeps the values of lines that end together apart', () => {
    const series = ['a', 'b', 'c', 'd'].map((name, index) => ({
      name,
      points: falling.map(({ step, loss }) => ({ step, loss: loss + index * 0.001 })),
    }));
    const heights = [...renderLossSvg(series).matchAll(/y="([\d.]+)" class="value"/g)]
      .map(([, y]) => Number(y))
      .sort((a, b) => a - b);
    expect(heights).toHaveLength(4);
    heights.slice(1).forEach((height, index) => {
      expect(height - (heights[index] ?? 0)).toBeGreaterThanOrEqual(14.9);
    });
  });

  it('breaks the line at a loss that is not finite and marks it', () => {
    const points = falling.map((point) => (point.step === 200 ? { step: 200, loss: Number.NaN } : point));
    const svg = renderLossSvg([{ name: 'run', points }]);
    expect(svg).toContain('loss not finite at step 200');
    expect(svg).not.toMatch(/NaN/);
    expect(svg.match(/stroke-width="2.2"/g)).toHaveLength(1);
    expect(
      /d="(M[^"]*)" fill="none" stroke="[^"]*" stroke-width="2.2"/.exec(svg)?.[1]?.match(/M/g),
    ).toHaveLength(2);
  });

  it('takes no series, no point and one point', () => {
    expect(renderLossSvg([])).toContain('no finite loss was recorded');
    expect(renderLossSvg([{ name: 'run', points: [{ step: 1, loss: Number.NaN }] }])).toContain(
      'no finite loss was recorded',
    );
    expect(renderLossSvg([{ name: 'run', points: [{ step: 3, loss: 2.5 }] }])).toContain('>2.500<');
  });

  it('keeps a long run small', () => {
    const points = Array.from({ length: 100_000 }, (_, step) => ({ step, loss: 2 + Math.sin(step) }));
    expect(renderLossSvg([{ name: 'run', points }]).length).toBeLessThan(150_000);
  });
});
