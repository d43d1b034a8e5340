/** The browser of samples: filters, the list, and the sample that is read. */
import type { PageSample, ReportContent } from '../report-content.js';
import { element, input, make, select } from './elements.js';
import { lowerCase } from './marked-text.js';
import { contains, type Filter, matches } from './sample-filter.js';
import { SampleList } from './sample-list.js';
import { drawSample } from './sample-view.js';
import { countText, type Language, type Texts } from './texts.js';

/** A search gives way to the reader after so many milliseconds. */
const SLICE_MILLISECONDS = 12;
const TYPING_MILLISECONDS = 120;

export class BrowserView {
  readonly #content: ReportContent;
  readonly #list: SampleList;
  readonly #frame = element('browser');
  readonly #bySubject = new Map<string, readonly PageSample[]>();
  #samples: readonly PageSample[] = [];
  #say: Texts;
  #language: Language;
  #search = 0;
  #typing = 0;
  /** Asked for by the address, until its block is there. */
  #wanted = decodeURIComponent(location.hash.slice(1));

  constructor(content: ReportContent, say: Texts, language: Language) {
    this.#content = content;
    this.#say = say;
    this.#language = language;
    this.#list = new SampleList({
      onChoose: (sample) => this.#show(sample),
      onEnter: () => this.#enter(),
    });
    element('filters').addEventListener('submit', (event) => event.preventDefault());
    input('search').addEventListener('input', () => {
      clearTimeout(this.#typing);
      this.#typing = window.setTimeout(() => void this.#filter(), TYPING_MILLISECONDS);
    });
    select('task').addEventListener('change', () => {
      this.#fillGroups();
      void this.#filter();
    });
    for (const id of ['group', 'verdict']) select(id).addEventListener('change', () => void this.#filter());
    input('empty').addEventListener('change', () => void this.#filter());
    document.addEventListener('keydown', (event) => this.#onKey(event));
  }

  setLanguage(say: Texts, language: Language): void {
    this.#say = say;
    this.#language = language;
    this.#fillFilters();
    void this.#filter();
  }

  take(samples: readonly PageSample[]): void {
    for (const sample of samples.slice(this.#samples.length)) {
      const subject = subjectOf(sample);
      const own = this.#bySubject.get(subject) ?? [];
      // More would tell no more.
      if (own.length < 3) this.#bySubject.set(subject, [...own, sample]);
    }
    this.#samples = [...samples];
    this.#fillGroups();
    void this.#filter();
  }

  #fillFilters(): void {
    const say = this.#say;
    const { runs, tasks } = this.#content;
    fill(select('task'), [
      ['', say.allTasks],
      ...tasks.map(({ name, title }, place) => [String(place), title === name ? name : `${title}`] as const),
    ]);
    const verdicts: readonly (readonly [string, string])[] =
      runs.length === 1
        ? (['right', 'wrong', 'partly', 'missing', 'unlabelled'] as const).map(
            (verdict) => [verdict, say[verdict]] as const,
          )
        : [
            ['differ', say.differ],
            ['all', say.allRight],
            ['none', say.noneRight],
            ...runs.map(({ label }, run) => [`only-${run}`, `${say.only} ${label}`] as const),
            ['missing', say.missing],
          ];
    fill(select('verdict'), [['', say.allVerdicts], ...verdicts]);
    input('search').placeholder = say.search;
    this.#fillGroups();
  }

  #fillGroups(): void {
    const task = this.#task;
    const groups = new Set(this.#samples.flatMap(({ t, g }) => (task === undefined || t === task ? g : [])));
    fill(select('group'), [
      ['', this.#say.allGroups],
      ...[...groups].map((group) => [`=${group}`, group] as const),
    ]);
  }

  get #task(): number | undefined {
    const { value } = select('task');
    return value === '' ? undefined : Number(value);
  }

  /** In slices: whoever types is not kept waiting. */
  async #filter(): Promise<void> {
    const search = ++this.#search;
    const group = select('group').value;
    const filter: Filter = {
      task: this.#task,
      group: group === '' ? undefined : group.slice(1),
      verdict: select('verdict').value,
      isEmptyWanted: input('empty').checked,
      query: lowerCase(input('search').value.trim()),
    };
    const found: PageSample[] = [];
    let since = performance.now();
    for (const sample of this.#samples) {
      if (matches(sample, filter) && contains(sample, filter.query)) found.push(sample);
      if (performance.now() - since < SLICE_MILLISECONDS) continue;
      await new Promise((resolve) => setTimeout(resolve));
      if (search !== this.#search) return;
      since = performance.now();
    }
    element('count').textContent = countText(found.length, this.#samples.length, this.#language);
    const texts = {
      say: this.#say,
      taskNames: this.#content.tasks.map(({ name }) => name),
      query: filter.query,
    };
    this.#list.show(found, texts);
    const wanted =
      this.#wanted === '' ? -1 : found.findIndex((sample) => this.#nameOf(sample) === this.#wanted);
    if (wanted >= 0) {
      this.#wanted = '';
      this.#list.choose(wanted);
    }
  }

  /** Two of the same subject, whose examples are the same. */
  #relativesOf(sample: PageSample | undefined): readonly PageSample[] {
    if (sample === undefined) return [];
    const own = this.#bySubject.get(subjectOf(sample)) ?? [];
    return own.filter((other) => other !== sample).slice(0, 2);
  }

  #nameOf({ t, id }: PageSample): string {
    return `${this.#content.tasks[t]?.name ?? ''}/${id}`;
  }

  #show(sample: PageSample | undefined): void {
    if (sample === undefined) this.#frame.classList.remove('reading');
    drawSample(sample, {
      content: this.#content,
      say: this.#say,
      language: this.#language,
      query: lowerCase(input('search').value.trim()),
      relatives: this.#relativesOf(sample),
      isFirst: this.#list.isFirst,
      isLast: this.#list.isLast,
      onBack: () => this.#leave(),
      onMove: (by) => {
        this.#list.move(by);
        element('sample').focus();
      },
    });
  }

  #enter(): void {
    const sample = this.#list.chosen;
    if (sample === undefined) return;
    this.#frame.classList.add('reading');
    // The address names it, to be passed on.
    history.replaceState(null, '', `#${encodeURIComponent(this.#nameOf(sample))}`);
    element('sample').focus();
  }

  #leave(): void {
    this.#frame.classList.remove('reading');
    element('list').focus();
  }

  #onKey(event: KeyboardEvent): void {
    const { target } = event;
    const isTyping = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
    if (event.key === '/' && !isTyping && !event.ctrlKey && !event.metaKey) {
      input('search').focus();
      event.preventDefault();
    } else if (event.key === 'Escape' && target instanceof Node && element('sample').contains(target))
      this.#leave();
  }
}

function subjectOf({ t, g: groups }: PageSample): string {
  return `${t} ${groups[0] ?? ''}`;
}

/** Keeps the choice where it is still to be had. */
function fill(target: HTMLSelectElement, options: readonly (readonly [value: string, text: string])[]): void {
  const { value } = target;
  target.replaceChildren(
    ...options.map(([own, text]) => {
      const option = make('option', { text });
      option.value = own;
      return option;
    }),
  );
  target.value = options.some(([own]) => own === value) ? value : '';
}
