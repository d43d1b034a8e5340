/** A line chart or a stack of areas in SVG, read by mouse, touch and arrow keys. */
import { areaPath, edgeMark, linePath, stackUp } from './chart-paths.js';
import { type ChartRange, chartRange } from './chart-range.js';
import { makeScale, type Scale } from './scale.js';

export interface Series {
  readonly name: string;
  /** A custom property of the style sheet: --s1 to --s8. */
  readonly color: string;
  readonly values: readonly (number | null)[];
  readonly faint?: boolean;
  readonly isDashed?: boolean;
  /** Shown in the tip under this name only; default true. */
  readonly inLegend?: boolean;
}

export interface ChartPoint {
  readonly x: number;
  readonly y: number;
  readonly title: string;
  readonly isStrong: boolean;
  /** Default: that of all points. */
  readonly color?: string;
}

export interface ChartContent {
  readonly x: readonly number[];
  readonly series: readonly Series[];
  readonly points?: {
    readonly name: string;
    /** What a large one means. */
    readonly strongName: string;
    readonly color: string;
    readonly values: readonly ChartPoint[];
  };
  readonly stacked?: boolean;
  readonly fromZero?: boolean;
  readonly logX?: boolean;
  readonly logY?: boolean;
  /** Show outliers too, however flat the others become; default: they are marked at the edge. */
  readonly showsAll?: boolean;
  readonly beyondText: (count: number, farthest: string) => string;
  readonly format: (value: number) => string;
  readonly formatX: (value: number) => string;
  /** Read out for the chart as a whole. */
  readonly label: string;
  readonly emptyText: string;
}

const SVG = 'http://www.w3.org/2000/svg';
const margin = { left: 52, right: 14, top: 8, bottom: 24 };

export class Chart {
  readonly #svg = document.createElementNS(SVG, 'svg');
  readonly #legend = document.createElement('div');
  readonly #tip = document.createElement('div');
  readonly #empty = document.createElement('div');
  #content: ChartContent | undefined;
  #chosen: number | undefined;
  #size = { width: 0, height: 0 };
  #toX: (value: number) => number = () => 0;

  constructor(root: HTMLElement) {
    this.#legend.className = 'legend';
    this.#tip.className = 'tip hidden';
    this.#empty.className = 'empty';
    this.#svg.setAttribute('role', 'img');
    this.#svg.tabIndex = 0;
    root.append(this.#svg, this.#tip, this.#empty);
    root.after(this.#legend);
    this.#svg.addEventListener('pointermove', (event) => this.#choose(this.#nearest(event.offsetX)));
    this.#svg.addEventListener('pointerleave', () => this.#choose(undefined));
    this.#svg.addEventListener('blur', () => this.#choose(undefined));
    this.#svg.addEventListener('keydown', (event) => this.#onKey(event));
    new ResizeObserver(() => {
      this.#size = { width: root.clientWidth, height: root.clientHeight };
      this.#draw();
    }).observe(root);
  }

  show(content: ChartContent): void {
    this.#content = content;
    this.#draw();
  }

  #draw(): void {
    const content = this.#content;
    const { width, height } = this.#size;
    if (content === undefined || width < 80) return;
    const own = content.series.map(({ values }) => values);
    const stack = content.stacked === true ? stackUp(own) : undefined;
    const drawn = stack ?? own;
    const yRange = rangeOf(stack?.slice(-1) ?? own, content);
    const hasData = content.x.length > 0 && yRange !== undefined;
    this.#empty.textContent = content.emptyText;
    this.#empty.classList.toggle('hidden', hasData);
    this.#svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.#svg.setAttribute('aria-label', content.label);
    this.#svg.replaceChildren();
    this.#drawLegend(content, hasData ? yRange : undefined);
    if (!hasData) return;
    const right = width - margin.right;
    const bottom = height - margin.bottom;
    const first = content.x[0] ?? 0;
    const xScale = makeScale(
      first,
      Math.max(content.x.at(-1) ?? 0, first + 1),
      content.logX === true,
      width / 90,
    );
    const yScale = makeScale(yRange.low, yRange.high, content.logY === true, height / 42);
    const toX = (value: number): number => margin.left + xScale.position(value) * (right - margin.left);
    // What lies beyond is drawn along the edge, with a mark.
    const toY = (value: number): number =>
      bottom - Math.min(1, Math.max(0, yScale.position(value))) * (bottom - margin.top);
    this.#toX = toX;
    this.#drawAxes(content, xScale, yScale, toX, toY);
    for (const [index, { color, faint, isDashed }] of content.series.entries()) {
      const values = drawn[index] ?? [];
      if (stack !== undefined) {
        const below = index === 0 ? content.x.map(() => 0) : (drawn[index - 1] ?? []);
        this.#add('path', {
          d: areaPath(content.x, values, below, toX, toY),
          fill: `var(${color})`,
          'fill-opacity': '.75',
        });
      } else
        this.#add('path', {
          d: linePath(content.x, values, toX, toY),
          fill: 'none',
          stroke: `var(${color})`,
          'stroke-width': faint === true ? '1' : '2',
          'stroke-opacity': faint === true ? '.35' : '1',
          'stroke-linejoin': 'round',
          ...(isDashed === true && { 'stroke-dasharray': '6 4' }),
        });
    }
    if (yRange.beyond > 0) this.#drawBeyond(content, drawn, yScale, toX);
    for (const { x, y, title, isStrong, color } of content.points?.values ?? []) {
      if (x < xScale.low || !Number.isFinite(y)) continue;
      const dot = this.#add('circle', {
        cx: toX(x).toFixed(1),
        cy: toY(y).toFixed(1),
        r: isStrong ? '5' : '3.5',
        fill: `var(${color ?? content.points?.color ?? '--s2'})`,
        stroke: 'var(--card)',
        'stroke-width': '1.5',
        class: 'evaluation-point',
      });
      dot.append(document.createElementNS(SVG, 'title'));
      if (dot.firstChild !== null) dot.firstChild.textContent = title;
    }
    this.#drawChosen();
  }

  /** Marks along the edges, few enough to be told apart. */
  #drawBeyond(
    content: ChartContent,
    drawn: readonly (readonly (number | null)[])[],
    { low, high }: Scale,
    toX: (value: number) => number,
  ): void {
    const places = new Set<string>();
    const mark = (x: number, value: number | null | undefined, color: string): void => {
      if (value == null || !Number.isFinite(value) || (value >= low && value <= high)) return;
      const isAbove = value > high;
      const position = `${isAbove} ${Math.round(toX(x) / 9)}`;
      if (places.has(position)) return;
      places.add(position);
      const y = isAbove ? margin.top : this.#size.height - margin.bottom;
      const triangle = this.#add('path', {
        class: 'beyond',
        d: edgeMark(toX(x), y, isAbove),
        fill: `var(${color})`,
      });
      const title = document.createElementNS(SVG, 'title');
      title.textContent = `${content.formatX(x)}: ${content.format(value)}`;
      triangle.append(title);
    };
    for (const [index, values] of drawn.entries()) {
      const series = content.series[index];
      // Of a stack only its top; of two lines of one thing only the plain values.
      if (series === undefined || (content.stacked === true && index < drawn.length - 1)) continue;
      for (const [at, value] of values.entries()) mark(content.x[at] ?? 0, value, series.color);
    }
    for (const { x, y, color } of content.points?.values ?? [])
      mark(x, y, color ?? content.points?.color ?? '--s2');
  }

  #drawAxes(
    { format, formatX }: ChartContent,
    xScale: Scale,
    yScale: Scale,
    toX: (value: number) => number,
    toY: (value: number) => number,
  ): void {
    const { width, height } = this.#size;
    for (const tick of yScale.ticks) {
      const y = toY(tick);
      this.#add('path', { class: 'rule', d: `M${margin.left} ${y.toFixed(1)}H${width - margin.right}` });
      this.#text(margin.left - 8, y + 4, format(tick), 'end');
    }
    let free = Number.NEGATIVE_INFINITY;
    for (const tick of xScale.ticks) {
      const x = toX(tick);
      if (x < free) continue;
      this.#text(x, height - 6, formatX(tick), x > width - 40 ? 'end' : 'middle');
      free = x + 44;
    }
  }

  #drawLegend({ series, points, format, beyondText }: ChartContent, range: ChartRange | undefined): void {
    const shown = series.filter(({ inLegend }) => inLegend !== false);
    const keys = shown.map(({ name, color, faint }) => keyOf(name, color, { faint: faint === true }));
    if (points !== undefined && points.values.length > 0) keys.push(keyOf(points.name, points.color, {}));
    if (points?.values.some(({ isStrong }) => isStrong) === true)
      keys.push(keyOf(points.strongName, points.color, { radius: 5.5 }));
    const isNeeded = keys.length > 1;
    const { beyond = 0, farthest = 0 } = range ?? {};
    const mark =
      beyond > 0 ? [keyOf(beyondText(beyond, format(farthest)), '--soft', { isTriangle: true })] : [];
    this.#legend.replaceChildren(...(range === undefined ? [] : [...(isNeeded ? keys : []), ...mark]));
  }

  #drawChosen(): void {
    const content = this.#content;
    const x = this.#chosen === undefined ? undefined : content?.x[this.#chosen];
    this.#svg.querySelector('.cursor')?.remove();
    this.#tip.classList.toggle('hidden', x === undefined);
    if (content === undefined || x === undefined || this.#chosen === undefined) return;
    const position = this.#toX(x);
    const bottom = this.#size.height - margin.bottom;
    this.#add('path', { class: 'cursor', d: `M${position.toFixed(1)} ${margin.top}V${bottom}` });
    const head = document.createElement('b');
    head.textContent = content.formatX(x);
    const chosen = this.#chosen;
    const lines = content.series.map(({ name, color, values, faint }) => {
      const line = document.createElement('div');
      const value = values[chosen];
      line.append(keyOf(name, color, { faint: faint === true }), value == null ? '–' : content.format(value));
      return line;
    });
    this.#tip.replaceChildren(head, ...lines);
    const isLeft = position > this.#size.width / 2;
    this.#tip.style.left = isLeft ? 'auto' : `${position + 12}px`;
    this.#tip.style.right = isLeft ? `${this.#size.width - position + 12}px` : 'auto';
    const values = content.series.map(
      ({ name, values: all }) => `${name} ${all[chosen] == null ? '–' : content.format(all[chosen] ?? 0)}`,
    );
    this.#svg.setAttribute('aria-label', `${content.formatX(x)}: ${values.join(', ')}`);
  }

  #choose(index: number | undefined): void {
    if (index === this.#chosen) return;
    this.#chosen = index;
    this.#drawChosen();
  }

  #nearest(position: number): number | undefined {
    const x = this.#content?.x ?? [];
    if (x.length === 0) return undefined;
    let low = 0;
    let high = x.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#toX(((x[middle] ?? 0) + (x[middle + 1] ?? 0)) / 2) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #onKey(event: KeyboardEvent): void {
    const last = (this.#content?.x.length ?? 0) - 1;
    if (last < 0) return;
    const from = this.#chosen ?? last;
    const stride = event.shiftKey ? Math.max(Math.round(last / 20), 1) : 1;
    const moves: Readonly<Record<string, number | undefined>> = {
      ArrowLeft: Math.max(from - stride, 0),
      ArrowRight: Math.min(from + stride, last),
      Home: 0,
      End: last,
    };
    if (event.key === 'Escape') this.#choose(undefined);
    const next = moves[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.#choose(next);
  }

  #add(name: 'path' | 'circle' | 'text', attributes: Readonly<Record<string, string>>): SVGElement {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    this.#svg.append(element);
    return element;
  }

  #text(x: number, y: number, content: string, anchor: string): void {
    this.#add('text', { x: x.toFixed(1), y: y.toFixed(1), 'text-anchor': anchor }).textContent = content;
  }
}

interface KeyForm {
  readonly faint?: boolean;
  readonly radius?: number;
  readonly isTriangle?: boolean;
}

function keyOf(name: string, color: string, { faint, radius = 4, isTriangle }: KeyForm): HTMLElement {
  const key = document.createElement('span');
  key.className = 'key';
  const mark = document.createElementNS(SVG, 'svg');
  mark.setAttribute('viewBox', '0 0 12 12');
  mark.setAttribute('aria-hidden', 'true');
  const shape = document.createElementNS(SVG, isTriangle === true ? 'path' : 'circle');
  const position =
    isTriangle === true ? { d: edgeMark(6, 4, true) } : { cx: '6', cy: '6', r: String(radius) };
  const look = { fill: `var(${color})`, 'fill-opacity': faint === true ? '.4' : '1' };
  for (const [attribute, value] of Object.entries({ ...position, ...look }))
    shape.setAttribute(attribute, value);
  mark.append(shape);
  key.append(mark, name);
  return key;
}

function rangeOf(
  drawn: readonly (readonly (number | null)[])[],
  { points, fromZero, logY, stacked, showsAll }: ChartContent,
): ChartRange | undefined {
  return chartRange([...drawn.flat(), ...(points?.values.map(({ y }) => y) ?? [])], {
    fromZero: fromZero === true || stacked === true,
    logY: logY === true,
    clips: showsAll !== true,
  });
}
