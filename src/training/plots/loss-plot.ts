/** The loss curve in the terminal. */
import {
  formatLoss,
  formatStep,
  formatTick,
  fromZero,
  type PlotRange,
  rangeOf,
  tickStep,
  ticksOf,
} from './plot-ticks.js';

export interface LossPoint {
  readonly step: number;
  readonly loss: number;
  /** The run that the point belongs to; points without one are a run of their own. */
  readonly series?: string;
}

export interface LossPlotOptions {
  /** Characters, axes and labels included. Default 78 x 18, at least 30 x 6. */
  width?: number;
  height?: number;
  /** Tell the series apart by ANSI colours. Default false: the second is dotted, the third dashed. */
  color?: boolean;
}

const ansiColors = [34, 33, 32, 35, 36, 31];
/** The bits of one braille character, [row][column]; U+2800 is the empty one. */
const brailleBits = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;
const brailleBase = 0x2800;
const gutter = 8;

/** Which dots along a line are set, by series: all, every other one, dashes. */
const patterns: readonly ((dot: number) => boolean)[] = [
  () => true,
  (dot) => dot % 3 === 0,
  (dot) => dot % 6 < 3,
];

/**
 * The loss over the steps as text: braille dots (2 x 4 in a character) within axes, a legend with first and last loss
 * below. All points that fall into one column of dots are drawn as their mean; losses that are not finite are left
 * out and counted in the legend. The lines have no trailing newline.
 */
export function plotLossTerminal(points: readonly LossPoint[], options: LossPlotOptions = {}): string {
  const width = Math.max(options.width ?? 78, 30);
  const height = Math.max(options.height ?? 18, 6);
  const series = groupBySeries(points);
  const shown = points.filter(isFinitePoint);
  const columns = width - gutter - 1;
  const rows = height - 2 - 1;

  const losses = rangeOf(shown.map(({ loss }) => loss));
  const lossStep = tickStep(losses, rows / 3);
  const steps = fromZero(rangeOf(shown.map(({ step }) => step)));
  const cells = new DotGrid(columns, rows);
  const toX = (step: number): number => ((step - steps.low) / (steps.high - steps.low)) * (columns * 2 - 1);
  const toY = (loss: number): number =>
    (1 - (loss - losses.low) / (losses.high - losses.low)) * (rows * 4 - 1);
  [...series.values()].forEach((own, index) => {
    drawSeries(cells, columnMeans(own.filter(isFinitePoint), toX), toY, index, options.color === true);
  });

  const labels = new Map(
    ticksOf(losses, lossStep).map((tick) => [Math.floor(toY(tick) / 4), formatTick(tick, lossStep)]),
  );
  const paint = (text: string, index: number): string =>
    options.color === true ? `\u001b[${ansiColors[index % ansiColors.length] ?? 39}m${text}\u001b[39m` : text;
  const lines = Array.from({ length: rows }, (_, row) => {
    const label = shown.length === 0 ? undefined : labels.get(row);
    return `${(label ?? '').padStart(gutter - 1)} ${label === undefined ? '│' : '┤'}${cells.line(row, paint)}`.trimEnd();
  });
  lines.push(...stepAxis(steps, columns, shown.length > 0));
  lines.push(
    shown.length === 0 ? 'no finite loss was recorded'.padStart(gutter + 1 + 27) : legendOf(series, paint),
  );
  return lines.join('\n');
}

function isFinitePoint({ step, loss }: LossPoint): boolean {
  return Number.isFinite(step) && Number.isFinite(loss);
}

function groupBySeries(points: readonly LossPoint[]): Map<string, LossPoint[]> {
  const series = new Map<string, LossPoint[]>();
  for (const point of points) {
    const own = series.get(point.series ?? '');
    if (own === undefined) series.set(point.series ?? '', [point]);
    else own.push(point);
  }
  return series;
}

/** The mean loss of each column of dots that has points, from left to right. */
function columnMeans(points: readonly LossPoint[], toX: (step: number) => number): [number, number][] {
  const columns = new Map<number, { sum: number; count: number }>();
  for (const { step, loss } of points) {
    const column = Math.round(toX(step));
    const { sum, count } = columns.get(column) ?? { sum: 0, count: 0 };
    columns.set(column, { sum: sum + loss, count: count + 1 });
  }
  return [...columns]
    .map(([column, { sum, count }]): [number, number] => [column, sum / count])
    .sort(([a], [b]) => a - b);
}

/** A grid of braille characters that remembers which series drew last in each. */
class DotGrid {
  readonly #columns: number;
  readonly #bits: Uint8Array;
  readonly #owners: Uint8Array;

  constructor(columns: number, rows: number) {
    this.#columns = columns;
    this.#bits = new Uint8Array(columns * rows);
    this.#owners = new Uint8Array(columns * rows);
  }

  /** Sets a dot; x counts half characters from the left, y quarter characters from the top. */
  set(x: number, y: number, owner: number): void {
    const cell = (y >> 2) * this.#columns + (x >> 1);
    this.#bits[cell] = (this.#bits[cell] ?? 0) | (brailleBits[y & 3]?.[x & 1] ?? 0);
    this.#owners[cell] = owner;
  }

  line(row: number, paint: (text: string, owner: number) => string): string {
    return Array.from({ length: this.#columns }, (_, column) => {
      const cell = row * this.#columns + column;
      const bits = this.#bits[cell] ?? 0;
      return bits === 0 ? ' ' : paint(String.fromCodePoint(brailleBase + bits), this.#owners[cell] ?? 0);
    }).join('');
  }
}

function drawSeries(
  cells: DotGrid,
  means: readonly [number, number][],
  toY: (loss: number) => number,
  index: number,
  color: boolean,
): void {
  const pattern = (color ? undefined : patterns[index % patterns.length]) ?? (() => true);
  let dots = 0;
  means.forEach(([x, loss], position) => {
    const y = toY(loss);
    const [nextX, nextLoss] = means[position + 1] ?? [x, loss];
    const length = Math.max(Math.abs(nextX - x), Math.ceil(Math.abs(toY(nextLoss) - y)), 1);
    for (let dot = 0; dot < length; dot++, dots++) {
      if (!pattern(dots)) continue;
      const along = dot / length;
      cells.set(Math.round(x + (nextX - x) * along), Math.round(y + (toY(nextLoss) - y) * along), index);
    }
  });
}

/** The lower axis with its ticks, and the line of step numbers under it, none touching another. */
function stepAxis(steps: PlotRange, columns: number, hasPoints: boolean): [string, string] {
  const axis = Array.from({ length: columns }, () => '─');
  const labels = Array.from({ length: gutter + 1 + columns }, () => ' ');
  let free = 0;
  for (const tick of hasPoints ? ticksOf(steps, tickStep(steps, columns / 12, 1)) : []) {
    const column = Math.round(((tick - steps.low) / (steps.high - steps.low)) * (columns - 1));
    const label = formatStep(tick);
    const start = Math.min(gutter + 1 + column - (label.length >> 1), labels.length - label.length);
    axis[column] = '┬';
    if (start < free) continue;
    [...label].forEach((letter, index) => {
      labels[start + index] = letter;
    });
    free = start + label.length + 1;
  }
  return [`${' '.repeat(gutter)}└${axis.join('')}`, labels.join('').trimEnd()];
}

function legendOf(
  series: ReadonlyMap<string, LossPoint[]>,
  paint: (text: string, index: number) => string,
): string {
  const samples = ['⠤⠤⠤', '⠄⠠ ', '⠤⠄⠤'];
  const entries = [...series].map(([name, points], index) => {
    const finite = points.filter(isFinitePoint);
    const [first, last] = [finite[0], finite.at(-1)];
    const losses =
      first === undefined || last === undefined
        ? 'none'
        : `${formatLoss(first.loss)} → ${formatLoss(last.loss)}`;
    const broken = points.length - finite.length;
    const note = broken === 0 ? '' : ` (${broken} not finite)`;
    return `${paint(samples[index % samples.length] ?? '', index)} ${name === '' ? 'loss' : name} ${losses}${note}`;
  });
  return `${' '.repeat(gutter + 1)}${entries.join('   ')}`;
}
