/** The loss curve as SVG. */
import { formatLoss, formatStep, formatTick, fromZero, rangeOf, tickStep, ticksOf } from './plot-ticks.js';

export interface LossSeries {
  readonly name: string;
  /** In the order of their steps. A loss that is not finite breaks the line and is marked at the top. */
  readonly points: readonly { readonly step: number; readonly loss: number }[];
}

export interface LossSvgOptions {
  title?: string;
  /** Pixels. Default 860 x 440, at least 320 x 200. */
  width?: number;
  height?: number;
}

/** Lines and greys that read well on white and on near-black: the picture has no background of its own. */
const lineColors = ['#2f7fe6', '#e8772e', '#2f9e63', '#a064d8', '#c9a227', '#d6467e'];
const inkColor = '#7b8591';
const fontFamily = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'Noto Sans CJK SC', sans-serif";
const markLimit = 40;

/** Pixels of a text in the plot's font, on the safe side: a full em for Chinese, 0.58 em for Latin letters. */
function textWidth(text: string, fontSize: number): number {
  return [...text].reduce((width, letter) => width + fontSize * (letter > '\u2e7f' ? 1 : 0.58), 0);
}

function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '');
}

interface Point {
  x: number;
  y: number;
}

/** An SVG path through the points; `null` lifts the pen. */
function pathOf(points: readonly (Point | null)[]): string {
  let penDown = false;
  const commands: string[] = [];
  for (const point of points) {
    if (point === null) {
      penDown = false;
      continue;
    }
    commands.push(`${penDown ? 'L' : 'M'}${point.x.toFixed(1)} ${point.y.toFixed(1)}`);
    penDown = true;
  }
  return commands.join('');
}

/**
 * The mean over a window of a fortieth of the series around each point: calm, and without an average's delay.
 * At the start the window narrows, so that the line begins at the first loss; at the end it keeps its past half.
 */
function smooth(losses: readonly number[]): number[] {
  const half = Math.floor(losses.length / 80);
  const sums = [0];
  for (const loss of losses) sums.push((sums.at(-1) ?? 0) + loss);
  return losses.map((_, index) => {
    const start = Math.max(index - half, 0);
    const end = Math.min(index + Math.min(half, index) + 1, losses.length);
    return ((sums[end] ?? 0) - (sums[start] ?? 0)) / (end - start);
  });
}

/** At most the lowest and the highest point of every half pixel: a long run stays a small file. */
function thin(points: readonly (Point | null)[]): (Point | null)[] {
  const kept: (Point | null)[] = [];
  let column: Point[] = [];
  const flush = (): void => {
    if (column.length <= 2) kept.push(...column);
    else {
      const low = column.reduce((best, point) => (point.y < best.y ? point : best));
      const high = column.reduce((best, point) => (point.y > best.y ? point : best));
      kept.push(...(column.indexOf(low) < column.indexOf(high) ? [low, high] : [high, low]));
    }
    column = [];
  };
  for (const point of points) {
    const last = column.at(-1);
    if (point === null || (last !== undefined && Math.floor(last.x * 2) !== Math.floor(point.x * 2))) flush();
    if (point === null) kept.push(null);
    else column.push(point);
  }
  flush();
  return kept;
}

/** Places labels near their wished heights, at least `distance` apart and within [top, bottom]. */
function spread(wished: readonly number[], distance: number, top: number, bottom: number): number[] {
  const order = wished.map((_, index) => index).sort((a, b) => (wished[a] ?? 0) - (wished[b] ?? 0));
  const placed = [...wished];
  let floor = top;
  for (const index of order) {
    placed[index] = Math.max(placed[index] ?? 0, floor);
    floor = (placed[index] ?? 0) + distance;
  }
  let ceiling = bottom;
  for (const index of order.reverse()) {
    placed[index] = Math.min(placed[index] ?? 0, ceiling);
    ceiling = (placed[index] ?? 0) - distance;
  }
  return placed;
}

/** Legend entries as [x, row], wrapped to the width. */
function layOutLegend(names: readonly string[], width: number): { x: number; row: number }[] {
  let x = 0;
  let row = 0;
  return names.map((name) => {
    const wide = 26 + textWidth(name, 12.5) + 22;
    if (x > 0 && x + wide - 22 > width) {
      x = 0;
      row++;
    }
    const cell = { x, row };
    x += wide;
    return cell;
  });
}

/**
 * The loss of one or more runs over their steps as a self-contained SVG picture: the measured loss faint, its moving
 * mean over it, the last mean written at the line's end.
 */
export function renderLossSvg(series: readonly LossSeries[], options: LossSvgOptions = {}): string {
  const width = Math.max(options.width ?? 860, 320);
  const height = Math.max(options.height ?? 440, 200);
  const title = options.title ?? '';

  const finite = series.map(({ points }) =>
    points.filter(({ step, loss }) => Number.isFinite(step) && Number.isFinite(loss)),
  );
  const shown = finite.flat();
  const losses = rangeOf(shown.map(({ loss }) => loss));
  const steps = fromZero(rangeOf(shown.map(({ step }) => step)));

  const left = 64;
  const right = width - 66;
  const legend = layOutLegend(
    series.map(({ name }) => name),
    right - left,
  );
  const legendTop = title === '' ? 24 : 52;
  const top = legendTop + 21 * ((legend.at(-1)?.row ?? 0) + 1) - (series.length === 0 ? 21 : 0);
  const bottom = height - 52;

  const lossStep = tickStep(losses, Math.max((bottom - top) / 56, 2));
  const lossAxis = {
    low: Math.floor(losses.low / lossStep + 1e-6) * lossStep,
    high: losses.high + (losses.high - losses.low) * 0.03,
  };
  const stepStep = tickStep(steps, Math.max((right - left) / 95, 2), 1);
  const toX = (step: number): number =>
    left + ((step - steps.low) / (steps.high - steps.low)) * (right - left);
  const toY = (loss: number): number =>
    bottom - ((loss - lossAxis.low) / (lossAxis.high - lossAxis.low)) * (bottom - top);

  const parts: string[] = [];
  const text = (x: number, y: number, content: string, attributes = ''): void => {
    parts.push(`<text x="${x.toFixed(1)}" y="${y.toFixed(1)}"${attributes}>${escapeXml(content)}</text>`);
  };

  if (title !== '') text(left, 30, title, ' class="title"');
  series.forEach(({ name }, index) => {
    const { x, row } = legend[index] ?? { x: 0, row: 0 };
    const y = legendTop + row * 21;
    parts.push(
      `<path d="M${left + x} ${y - 4}h18" stroke="${colorOf(index)}" stroke-width="3" stroke-linecap="round"/>`,
    );
    text(left + x + 26, y, name);
  });

  for (const tick of ticksOf(lossAxis, lossStep)) {
    parts.push(`<path class="grid" d="M${left} ${toY(tick).toFixed(1)}H${right}"/>`);
    text(left - 10, toY(tick) + 4, formatTick(tick, lossStep), ' text-anchor="end"');
  }
  parts.push(`<path class="axis" d="M${left} ${bottom}H${right}"/>`);
  for (const tick of shown.length === 0 ? [] : ticksOf(steps, stepStep)) {
    parts.push(`<path class="axis" d="M${toX(tick).toFixed(1)} ${bottom}v5"/>`);
    text(toX(tick), bottom + 20, formatStep(tick), ' text-anchor="middle"');
  }
  text((left + right) / 2, bottom + 42, 'step', ' text-anchor="middle"');
  text(
    0,
    0,
    'loss',
    ` text-anchor="middle" transform="translate(18 ${((top + bottom) / 2).toFixed(1)}) rotate(-90)"`,
  );
  if (shown.length === 0)
    text((left + right) / 2, (top + bottom) / 2, 'no finite loss was recorded', ' text-anchor="middle"');

  const raws: string[] = [];
  const calms: string[] = [];
  const marks: string[] = [];
  const ends: { color: string; x: number; y: number; loss: number }[] = [];
  series.forEach(({ points }, index) => {
    const color = colorOf(index);
    const raw = points.map(({ step, loss }) =>
      Number.isFinite(step) && Number.isFinite(loss) ? { x: toX(step), y: toY(loss) } : null,
    );
    const own = finite[index] ?? [];
    const calm = smooth(own.map(({ loss }) => loss));
    // The calm line lifts its pen where the measured one does.
    let seen = 0;
    const calmPoints = raw.map((point) =>
      point === null ? null : { x: point.x, y: toY(calm[seen++] ?? 0) },
    );
    if (own.length > 80)
      raws.push(`<path d="${pathOf(thin(raw))}" fill="none" stroke="${color}" stroke-opacity="0.28"/>`);
    calms.push(
      `<path d="${pathOf(thin(calmPoints))}" fill="none" stroke="${color}" stroke-width="2.2" stroke-linejoin="round" stroke-linecap="round"/>`,
    );
    const broken = points.filter(
      ({ step, loss }) => !Number.isFinite(loss) && step >= steps.low && step <= steps.high,
    );
    for (const { step } of shown.length === 0 ? [] : broken.slice(0, markLimit))
      marks.push(
        `<path d="M${(toX(step) - 4).toFixed(1)} ${top - 7}h8l-4 6z" fill="${color}"><title>loss not finite at step ${step}</title></path>`,
      );
    const last = own.at(-1);
    const loss = calm.at(-1);
    if (last !== undefined && loss !== undefined) ends.push({ color, x: toX(last.step), y: toY(loss), loss });
  });
  parts.push(...raws, ...calms, ...marks);
  for (const { x, y, color } of ends)
    parts.push(`<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3.4" fill="${color}"/>`);
  // A line that ends well inside the picture has its value above its end, the others at the right margin.
  const isInside = ({ x }: { x: number }): boolean => right - x > 60;
  for (const { x, y, color, loss } of ends.filter(isInside))
    text(x + 4, y - 10, formatLoss(loss), ` text-anchor="end" class="value" style="fill:${color}"`);
  const atMargin = ends.filter((end) => !isInside(end));
  const labelYs = spread(
    atMargin.map(({ y }) => y),
    15,
    top + 4,
    bottom - 4,
  );
  atMargin.forEach(({ color, loss }, index) => {
    text(right + 9, (labelYs[index] ?? 0) + 4, formatLoss(loss), ` class="value" style="fill:${color}"`);
  });

  const label = title === '' ? 'Training loss' : title;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(label)}">
<style>text{font:12.5px ${fontFamily};fill:${inkColor}}.title{font-size:17px;font-weight:600}.value{font-weight:600}.grid{stroke:${inkColor};stroke-opacity:.22}.axis{stroke:${inkColor};stroke-opacity:.8}</style>
${parts.join('\n')}
</svg>
`;
}

function colorOf(index: number): string {
  return lineColors[index % lineColors.length] ?? inkColor;
}
