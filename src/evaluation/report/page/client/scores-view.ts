/** Scores by task: a bar for each run and metric, intervals, what was published, groups. */
import { sharedWarnings } from '../comparison-warning.js';
import type { Entry, Group, ReportContent, ReportTask, TaskOfRun } from '../report-content.js';
import { element, make } from './elements.js';
import { isBits, percent, probability, signed } from './numbers.js';
import { averageIn, noteIn, reasonIn } from './set-notes.js';
import type { Language, Texts } from './texts.js';

export function drawScores(content: ReportContent, say: Texts, language: Language): void {
  element('legend').replaceChildren(...legendOf(content, say));
  const warnings = content.runs.every(({ complete }) => complete) ? [] : [say.incomplete];
  element('warnings').replaceChildren(
    ...warnings.map((text) => make('p', { className: 'warning', text })),
    ...sharedWarnings(content.tasks, language).map((text) => make('p', { className: 'warning', text })),
  );
  element('tasks').replaceChildren(...content.tasks.map((task) => drawTask(task, content, say, language)));
}

function colorOf(run: number): string {
  return `var(--r${run % 6})`;
}

function legendOf({ runs, tasks }: ReportContent, say: Texts): HTMLElement[] {
  const item = (className: string, text: string, color = ''): HTMLElement => {
    const key = make('span', { className });
    if (color !== '') key.style.setProperty('--color', color);
    return make('li', {}, key, text);
  };
  const own =
    runs.length === 1
      ? [item('swatch', say.measured, colorOf(0))]
      : runs.map(({ label }, run) => item('swatch', label, colorOf(run)));
  const hasPublished = tasks.some(({ published }) => published.length > 0);
  const hasChance = tasks.some((task) => task.runs.some((run) => run !== null && run.chance !== null));
  return [
    ...own,
    item('whisker-key', say.interval),
    ...(hasChance ? [item('chance-key', say.chance)] : []),
    ...(hasPublished ? [item('diamond', say.publishedKey)] : []),
  ];
}

function drawTask(task: ReportTask, content: ReportContent, say: Texts, language: Language): HTMLElement {
  const made = make('article', { className: 'task' }, drawTaskHead(task, content, say, language));
  const metrics = [...new Set(task.runs.flatMap((run) => run?.entries.map(({ metric }) => metric) ?? []))];
  for (const [place, metric] of metrics.entries())
    for (const [run, own] of task.runs.entries()) {
      const entry = own?.entries.find((found) => found.metric === metric);
      if (own === null || entry === undefined) continue;
      const label = content.runs.length === 1 ? metric : `${metric} · ${content.runs[run]?.label ?? ''}`;
      made.append(entryRow({ entry, own, label, run, published: place === 0 ? task.published : [] }, say));
    }
  made.append(...drawDifferences(task, content, say));
  if (task.published.length > 0) made.append(publishedLine(task, say));
  const notes = [...new Set(task.runs.flatMap((run) => (run === null ? [] : notesOf(run, language))))];
  if (notes.length > 0)
    made.append(make('ul', { className: 'notes' }, ...notes.map((text) => make('li', { text }))));
  const groups = drawGroups(task, say);
  if (groups !== undefined) made.append(groups);
  return made;
}

function notesOf({ notes, problems }: TaskOfRun, language: Language): string[] {
  return [
    ...notes.map((note) => noteIn(language, note)),
    ...problems.map(({ reason, count, first }) => `${count} × ${reasonIn(language, reason)}: ${first}`),
  ];
}

function drawTaskHead(
  { title, name, runs, common }: ReportTask,
  content: ReportContent,
  say: Texts,
  language: Language,
): HTMLElement {
  const [first] = runs.flatMap((run) => run ?? []);
  const n = first?.entries[0]?.n;
  const missing = first?.entries[0]?.missing ?? 0;
  const facts =
    content.runs.length > 1
      ? [`${common ?? 0} ${say.inCommon}`]
      : [
          ...(n === undefined ? [] : [`n = ${n}`]),
          ...(missing > 0 ? [`${missing} ${say.missing}`] : []),
          ...(first === undefined ? [] : setupOf(first, say, language)),
        ];
  return make(
    'div',
    { className: 'task-head' },
    make('b', { text: title }),
    make('span', { className: 'soft', text: [...(title === name ? [] : [name]), ...facts].join(' · ') }),
  );
}

function setupOf({ shots, mode, form, cot, entries }: TaskOfRun, say: Texts, language: Language): string[] {
  const average = entries[0]?.average ?? null;
  return [
    ...(mode === 'predictions' ? [] : [`${shots} ${say.shots}`]),
    [form, mode, ...(cot ? [say.thinking] : [])].filter((text) => text !== null).join(', '),
    ...(average === null ? [] : [`${say.meanOver} ${averageIn(language, average)}`]),
  ];
}

interface BarOptions {
  readonly entry: Entry;
  readonly own: TaskOfRun;
  readonly label: string;
  readonly run: number;
  readonly published: ReportTask['published'];
}

function entryRow({ entry, own, label, run, published }: BarOptions, say: Texts): HTMLElement {
  const { score, interval, metric, points } = entry;
  const value = make('span', { className: 'value' });
  if (score === null) value.append(make('span', { className: 'soft', text: say.noScore }));
  else if (isBits(metric)) value.append(make('b', { text: score.toFixed(3) }));
  else {
    const ends = interval === null ? '' : `${percent(interval[0])} – ${percent(interval[1])}`;
    value.append(make('b', { text: percent(score) }), ' ', make('small', { text: ends }));
    if (points !== null) value.title = `${points[0]} / ${points[1]} ${say.points}`;
  }
  const track = isBits(metric) || score === null ? make('span') : trackOf(score, interval, run);
  if (own.chance !== null && !isBits(metric) && score !== null) {
    const chance = make('span', { className: 'chance', title: `${say.chance} ${percent(own.chance)}` });
    chance.style.left = `${100 * own.chance}%`;
    track.append(chance);
  }
  for (const { model, score: published_ } of score === null ? [] : published) {
    const mark = make('span', { className: 'published', title: `${say.published} ${model} ${published_}` });
    mark.style.left = `${published_}%`;
    track.append(mark);
  }
  return make(
    'div',
    { className: 'bar-row' },
    make('span', { className: 'name', text: label, title: label }),
    track,
    value,
  );
}

function trackOf(score: number, interval: readonly [number, number] | null, run: number): HTMLElement {
  const track = make('span', { className: 'track' });
  track.style.setProperty('--color', colorOf(run));
  const fill = make('span', { className: 'fill' });
  fill.style.width = `${100 * score}%`;
  track.append(fill);
  if (interval !== null) {
    const whisker = make('span', { className: 'whisker' });
    const [low, high] = [Math.max(interval[0], 0), Math.min(interval[1], 1)];
    whisker.style.left = `${100 * low}%`;
    whisker.style.width = `${100 * (high - low)}%`;
    track.append(whisker);
  }
  return track;
}

function publishedLine({ published }: ReportTask, say: Texts): HTMLElement {
  const line = make(
    'p',
    { className: 'published-line' },
    make('span', { className: 'diamond' }),
    `${say.published} `,
  );
  for (const [place, { model, score }] of published.entries())
    line.append(place === 0 ? '' : ' · ', model, ' ', make('i', { text: score.toFixed(2) }));
  return line;
}

function drawDifferences({ comparison }: ReportTask, { runs }: ReportContent, say: Texts): HTMLElement[] {
  const [first] = runs;
  return comparison.map(({ metric, run, difference, interval, firstOnly, secondOnly, p, method }) => {
    const scale = (value: number): string =>
      isBits(metric) ? (value < 0 ? '−' : '+') + Math.abs(value).toFixed(3) : signed(value);
    const sure = interval !== null && (interval[0] > 0 || interval[1] < 0);
    const better = isBits(metric) ? difference < 0 : difference > 0;
    const amount = make('b', { className: sure ? (better ? 'up' : 'down') : '', text: scale(difference) });
    const second = runs[run]?.label ?? '';
    const line = make(
      'p',
      { className: 'difference' },
      `${metric}: ${second} − ${first?.label ?? ''} `,
      amount,
    );
    if (interval !== null) line.append(` (${scale(interval[0])} … ${scale(interval[1])})`);
    if (firstOnly !== null && secondOnly !== null && p !== null)
      line.append(
        make('span', {
          className: 'soft',
          text: ` · ${say.onlyRight} ${first?.label ?? ''}: ${firstOnly}, ${second}: ${secondOnly} · ${method === 'exact' ? say.exact : say.chiSquared}: ${probability(p)}`,
        }),
      );
    return line;
  });
}

function drawGroups(task: ReportTask, say: Texts): HTMLElement | undefined {
  const own = task.runs.map((run) => run?.entries[0]);
  const names = [...new Set(own.flatMap((entry) => entry?.groups.map(({ name }) => name) ?? []))];
  // One group alone is the whole.
  if (names.length < 2) return undefined;
  const [metric] = own.flatMap((entry) => entry?.metric ?? []);
  if (metric !== undefined && isBits(metric)) return undefined;
  const bars = make('div', { className: 'group-bars' });
  const scoreOf = (name: string): number => groupOf(own[0], name)?.score ?? -1;
  let isByScore = false;
  const fill = (): void => {
    const order = isByScore ? names.toSorted((a, b) => scoreOf(b) - scoreOf(a)) : names;
    bars.replaceChildren(
      ...order.flatMap((name) => own.flatMap((entry, run) => groupRow(groupOf(entry, name), run))),
    );
  };
  const sort = make('button', { text: say.byScore });
  sort.type = 'button';
  sort.addEventListener('click', () => {
    isByScore = !isByScore;
    sort.textContent = isByScore ? say.byName : say.byScore;
    fill();
  });
  const fold = make(
    'details',
    { className: 'groups' },
    make('summary', { text: `${names.length} ${say.groups}` }),
  );
  fold.dataset.task = task.name;
  fold.addEventListener('toggle', () => {
    if (fold.open && bars.childElementCount === 0) fill();
  });
  fold.append(make('div', { className: 'group-tools' }, sort), bars);
  return fold;
}

function groupOf(entry: Entry | undefined, name: string): Group | undefined {
  return entry?.groups.find((group) => group.name === name);
}

function groupRow(group: Group | undefined, run: number): HTMLElement[] {
  if (group === undefined) return [];
  const { name, n, interval, points } = group;
  const score = group.score ?? Number.NaN;
  const about = points === null ? `n = ${n}` : `${points[0]} / ${points[1]}`;
  const value = make(
    'span',
    { className: 'value' },
    make('b', { text: percent(score) }),
    ' ',
    make('small', { text: about }),
  );
  const label = make('span', { className: 'name', text: name, title: name });
  return [make('div', { className: 'bar-row' }, label, trackOf(score, interval, run), value)];
}
