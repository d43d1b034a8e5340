/** The list of samples: rows of one height, of which only those in sight are elements. */
import type { PageSample } from '../report-content.js';
import { element, make } from './elements.js';
import { appendText } from './marked-text.js';
import { SIGNS, type Texts } from './texts.js';

const ROW_HEIGHT = 50;
/** Beyond the edges, so that scrolling shows no gaps. */
const SPARE_ROWS = 8;

export interface ListTexts {
  readonly say: Texts;
  readonly taskNames: readonly string[];
  readonly query: string;
}

export class SampleList {
  readonly #list = element('list');
  readonly #rows = element('rows');
  readonly #onChoose: (sample: PageSample | undefined) => void;
  readonly #onEnter: () => void;
  #samples: readonly PageSample[] = [];
  #texts: ListTexts | undefined;
  #place = -1;

  constructor({
    onChoose,
    onEnter,
  }: { readonly onChoose: (sample: PageSample | undefined) => void; readonly onEnter: () => void }) {
    this.#onChoose = onChoose;
    this.#onEnter = onEnter;
    this.#list.addEventListener('scroll', () => this.#draw(), { passive: true });
    this.#list.addEventListener('keydown', (event) => this.#onKey(event));
    this.#rows.addEventListener('click', (event) => {
      const row = event.target instanceof Element ? event.target.closest('.row') : null;
      if (!(row instanceof HTMLElement)) return;
      this.choose(Number(row.dataset.place));
      this.#onEnter();
    });
    new ResizeObserver(() => this.#draw()).observe(this.#list);
  }

  /** The chosen one stays chosen where it is still there, else the first is. */
  show(samples: readonly PageSample[], texts: ListTexts): void {
    const before = this.chosen;
    this.#samples = samples;
    this.#texts = texts;
    const kept = before === undefined ? -1 : samples.indexOf(before);
    this.#rows.style.height = `${samples.length * ROW_HEIGHT}px`;
    if (kept < 0) this.#list.scrollTop = 0;
    this.choose(Math.max(kept, 0));
  }

  get chosen(): PageSample | undefined {
    return this.#samples[this.#place];
  }

  get isFirst(): boolean {
    return this.#place <= 0;
  }

  get isLast(): boolean {
    return this.#place >= this.#samples.length - 1;
  }

  move(by: number): void {
    this.choose(this.#place + by);
  }

  choose(place: number): void {
    this.#place = Math.max(Math.min(place, this.#samples.length - 1), this.#samples.length === 0 ? -1 : 0);
    this.#keepInSight();
    this.#draw();
    this.#onChoose(this.chosen);
  }

  #keepInSight(): void {
    const top = this.#place * ROW_HEIGHT;
    const { scrollTop, clientHeight } = this.#list;
    if (top < scrollTop) this.#list.scrollTop = top;
    else if (top + ROW_HEIGHT > scrollTop + clientHeight)
      this.#list.scrollTop = top + ROW_HEIGHT - clientHeight;
  }

  #onKey(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.#list.clientHeight / ROW_HEIGHT) - 1);
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -this.#samples.length,
      End: this.#samples.length,
    };
    const move = moves[event.key];
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (move !== undefined) this.move(move);
    else if (event.key === 'Enter') this.#onEnter();
    else return;
    event.preventDefault();
  }

  #draw(): void {
    const texts = this.#texts;
    if (texts === undefined) return;
    const { scrollTop, clientHeight } = this.#list;
    const first = Math.max(0, Math.floor(scrollTop / ROW_HEIGHT) - SPARE_ROWS);
    const last = Math.min(
      this.#samples.length,
      Math.ceil((scrollTop + clientHeight) / ROW_HEIGHT) + SPARE_ROWS,
    );
    const rows = this.#samples
      .slice(first, last)
      .map((sample, offset) => this.#row(sample, first + offset, texts));
    this.#rows.replaceChildren(
      ...(this.#samples.length === 0 ? [make('p', { className: 'none', text: texts.say.none })] : rows),
    );
    const active = first <= this.#place && this.#place < last ? `row-${this.#place}` : '';
    if (active === '') this.#list.removeAttribute('aria-activedescendant');
    else this.#list.setAttribute('aria-activedescendant', active);
  }

  #row(sample: PageSample, place: number, { say, taskNames, query }: ListTexts): HTMLElement {
    const row = make('div', { className: 'row' });
    row.id = `row-${place}`;
    row.dataset.place = String(place);
    row.style.top = `${place * ROW_HEIGHT}px`;
    row.setAttribute('role', 'option');
    row.setAttribute('aria-selected', String(place === this.#place));
    row.setAttribute('aria-posinset', String(place + 1));
    row.setAttribute('aria-setsize', String(this.#samples.length));
    const dots = make(
      'span',
      { className: 'dots' },
      ...sample.a.map((answer) => verdictDot(answer?.v ?? 'absent', say)),
    );
    const id = make('span', { className: 'id' });
    appendText(id, `${taskNames[sample.t] ?? ''} · ${sample.id}`, query);
    const gist = make('span', { className: 'gist' });
    appendText(gist, gistOf(sample), query);
    row.append(dots, id, gist);
    return row;
  }
}

export function verdictDot(verdict: keyof typeof SIGNS, say: Texts): HTMLElement {
  const dot = make('span', { className: 'dot', text: SIGNS[verdict], title: say[verdict] });
  dot.dataset.verdict = verdict;
  dot.setAttribute('role', 'img');
  dot.setAttribute('aria-label', say[verdict]);
  return dot;
}

/** What was said, and what was right. */
function gistOf({ a: answers, target }: PageSample): string {
  const short = (value: string | readonly string[] | null | undefined): string =>
    (typeof value === 'string' ? value : (value?.join(' ') ?? '–')).slice(0, 60);
  const said = answers.map((answer) => (answer === null ? ' ' : short(answer.extracted)));
  return target === null ? said.join(' | ') : `${said.join(' | ')} → ${short(target)}`;
}
