/** lengths.svg: how long the samples are, as a histogram whose columns are quarter octaves. */
import type { LengthSummary } from './report-lengths.js';

const WIDTH = 860;
const HEIGHT = 400;
const LEFT = 70;
const RIGHT = 30;
const TOP = 64;
const BOTTOM = 62;
const INK = '#7b8591';
const COLUMN = '#2f7fe6';
const LIMIT = '#d6467e';
const FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'Noto Sans CJK SC', sans-serif";

/** @param rowLength ids in a row, drawn as a line where it lies within the picture */
export function renderLengthsSvg(lengths: LengthSummary, rowLength: number): string {
  const { histogram } = lengths;
  const parts: string[] = [];
  const text = (x: number, y: number, content: string, attributes = ''): void => {
    parts.push(`<text x="${x.toFixed(1)}" y="${y.toFixed(1)}"${attributes}>${content}</text>`);
  };
  text(LEFT, 28, 'Tokens of the samples', ' class="title"');
  text(
    LEFT,
    48,
    `${group(lengths.samples)} samples; mean ${group(Math.round(lengths.mean))}, median ${group(lengths.median)}, ` +
      `90 % up to ${group(lengths.p90)}, 99 % up to ${group(lengths.p99)}, longest ${group(lengths.max)}`,
  );
  const width = WIDTH - LEFT - RIGHT;
  const height = HEIGHT - TOP - BOTTOM;
  const bottom = TOP + height;
  const highest = Math.max(1, ...histogram.map(({ count }) => count));
  const step = tickStep(highest);
  const top = Math.ceil(highest / step) * step;
  for (let tick = 0; tick <= top; tick += step) {
    const y = bottom - (tick / top) * height;
    parts.push(`<path class="${tick === 0 ? 'axis' : 'grid'}" d="M${LEFT} ${y.toFixed(1)}h${width}"/>`);
    text(LEFT - 10, y + 4, group(tick), ' text-anchor="end"');
  }
  const columnWidth = width / Math.max(histogram.length, 4);
  // Every label has about 60 pixels.
  const labelEvery = Math.max(1, Math.ceil(60 / columnWidth));
  for (const [index, { from, to, count }] of histogram.entries()) {
    const x = LEFT + index * columnWidth;
    const y = bottom - (count / top) * height;
    if (count > 0)
      parts.push(
        `<rect x="${(x + 1).toFixed(1)}" y="${y.toFixed(1)}" width="${Math.max(columnWidth - 2, 1).toFixed(1)}" ` +
          `height="${(bottom - y).toFixed(1)}" fill="${COLUMN}"><title>${from} to ${to}: ${count}</title></rect>`,
      );
    if (index % labelEvery === 0) {
      parts.push(`<path class="axis" d="M${x.toFixed(1)} ${bottom}v5"/>`);
      text(x, bottom + 20, group(from), ' text-anchor="middle"');
    }
  }
  const limit = limitPlace(histogram, rowLength);
  if (limit !== undefined) {
    const x = LEFT + limit * columnWidth;
    parts.push(
      `<path d="M${x.toFixed(1)} ${TOP}V${bottom}" stroke="${LIMIT}" stroke-width="2" stroke-dasharray="5 4"/>`,
    );
    const side = x > WIDTH / 2 ? -6 : 6;
    text(
      x + side,
      TOP + 12,
      `row of ${group(rowLength)}`,
      ` text-anchor="${side < 0 ? 'end' : 'start'}" style="fill:${LIMIT}"`,
    );
  }
  text(LEFT + width / 2, HEIGHT - 14, 'tokens', ' text-anchor="middle"');
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Tokens of the samples">
<style>text{font:12.5px ${FONT};fill:${INK}}.title{font-size:17px;font-weight:600}.grid{stroke:${INK};stroke-opacity:.22}.axis{stroke:${INK};stroke-opacity:.8}</style>
${parts.join('\n')}
</svg>
`;
}

/** Columns from the left up to the length; undefined where no column holds it. */
function limitPlace(histogram: LengthSummary['histogram'], length: number): number | undefined {
  const index = histogram.findIndex(({ from, to }) => from <= length && length <= to);
  const bin = histogram[index];
  return bin === undefined ? undefined : index + (length - bin.from) / (bin.to + 1 - bin.from);
}

/** About five ticks: 1, 2 or 5 times a power of ten. */
function tickStep(highest: number): number {
  const rough = Math.max(highest / 5, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  return ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
}

/** 1234567 -> "1 234 567" with narrow spaces. */
function group(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}
