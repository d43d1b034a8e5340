/** The runs of the page: which are drawn, and whose details are shown. */
import { element, make } from './elements.js';
import { RunData, readRuns, type Setup } from './run-data.js';
import type { Texts } from './texts.js';

export interface ShownRun {
  readonly data: RunData;
  readonly label: string;
  setup: Setup;
  readonly color: string;
  readonly isDashed: boolean;
  isDrawn: boolean;
}

const COLORS = 8;
const RETRY_MILLISECONDS = 2000;
const SETUP_MILLISECONDS = 10_000;

export class RunList {
  runs: readonly ShownRun[] = [];
  #chosen = 0;
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Whose figures, phases, memory and samples are shown. */
  get chosen(): ShownRun | undefined {
    return this.runs[this.#chosen];
  }

  get drawn(): readonly ShownRun[] {
    const drawn = this.runs.filter(({ isDrawn }) => isDrawn);
    return drawn.length === 0 && this.chosen !== undefined ? [this.chosen] : drawn;
  }

  async start(): Promise<void> {
    try {
      const entries = await readRuns();
      this.runs = entries.map(({ id, label, setup }, index) => ({
        data: new RunData(id, this.#changed),
        label,
        setup,
        color: `--s${(index % COLORS) + 1}`,
        isDashed: index >= COLORS,
        isDrawn: true,
      }));
    } catch {
      setTimeout(() => void this.start(), RETRY_MILLISECONDS);
      return;
    }
    this.#changed();
    for (const { data } of this.runs) void data.start();
    this.#followSetup();
  }

  /** A run that has just begun records its configuration with its first step. */
  #followSetup(): void {
    if (this.runs.every(({ setup }) => setup.config !== undefined)) return;
    setTimeout(async () => {
      const entries = await readRuns().catch(() => []);
      for (const run of this.runs)
        run.setup = entries.find(({ id }) => id === run.data.id)?.setup ?? run.setup;
      this.#changed();
      this.#followSetup();
    }, SETUP_MILLISECONDS);
  }

  /** Nothing where there is one run alone. */
  draw(say: Texts): void {
    const root = element('runs');
    root.classList.toggle('hidden', this.runs.length < 2);
    if (this.runs.length < 2 || root.dataset.language === say.otherLanguage) return;
    root.dataset.language = say.otherLanguage;
    const boxes = this.runs.map((run) => {
      const box = make('input');
      box.type = 'checkbox';
      box.checked = run.isDrawn;
      box.addEventListener('input', () => {
        run.isDrawn = box.checked;
        this.#changed();
      });
      const swatch = make('span', { className: `swatch ${run.isDashed ? 'dashed' : ''}` });
      swatch.style.setProperty('--color', `var(${run.color})`);
      return make('label', {}, box, swatch, run.label);
    });
    const select = make('select');
    select.id = 'chosen-run';
    select.append(
      ...this.runs.map(({ label }, index) => {
        const option = make('option', { text: label });
        option.value = String(index);
        option.selected = index === this.#chosen;
        return option;
      }),
    );
    select.addEventListener('input', () => {
      this.#chosen = Number(select.value);
      this.#changed();
    });
    const details = make('label', { className: 'details-of' }, `${say.details} `, select);
    root.replaceChildren(make('div', { className: 'run-boxes' }, ...boxes), details);
    root.setAttribute('aria-label', say.runs);
  }
}
