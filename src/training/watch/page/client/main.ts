/** Puts the run into the page and keeps it there. */
import { Chart, type Series } from './chart.js';
import { bytes, compact, duration, loss, percent, short } from './numbers.js';
import { RunData } from './run-data.js';
import { type Language, phaseName, type TextKey, type Texts, texts } from './texts.js';

type Theme = 'auto' | 'light' | 'dark';

const element = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
};
const input = (id: string): HTMLInputElement => {
  const found = element(id);
  if (!(found instanceof HTMLInputElement)) throw new Error(`#${id} is no input`);
  return found;
};
const charts = {
  loss: new Chart(element('chart-loss')),
  learningRate: new Chart(element('chart-learning-rate')),
  gradNorm: new Chart(element('chart-grad-norm')),
  speed: new Chart(element('chart-speed')),
  mfu: new Chart(element('chart-mfu')),
  memory: new Chart(element('chart-memory')),
  phases: new Chart(element('chart-phases')),
};

let language = chosenLanguage();
let theme: Theme = asTheme(remembered('theme'));
let isDue = false;
let shownSamples = -1;

const data = new RunData(redraw);

/** At most once a frame, and not at all while nobody looks. */
function redraw(): void {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    draw();
  });
}

function draw(): void {
  const say = texts[language];
  const { snapshot, connection } = data;
  element('status').dataset.state = connection;
  element('status-text').textContent = say[connection];
  if (snapshot === undefined) return;
  const { run, columns, phases, evaluations } = snapshot;
  const steps = columns.step.map((step) => step ?? 0);
  const step = steps.at(-1) ?? 0;
  const total = run.total_steps;
  const share = total === undefined || total === 0 ? 0 : (100 * step) / total;
  element('title').textContent = run.label;
  document.title = `${total === undefined ? '' : `${Math.floor(share)} % · `}${run.label} · Xinghe`;
  element('bar').setAttribute('aria-valuenow', share.toFixed(1));
  element('bar').setAttribute('aria-label', `${say.step} ${step}`);
  element('bar-fill').style.width = `${share}%`;
  const elapsed = columns.elapsed_seconds.at(-1) ?? 0;
  const tokens = data.tokens === undefined ? '' : ` · ${short(data.tokens)} ${say.tokens}`;
  element('step-text').textContent =
    `${step.toLocaleString('en')} ${say.of} ${total?.toLocaleString('en') ?? '–'} ${say.steps}${tokens}`;
  element('time-text').textContent =
    `${say.elapsed} ${duration(elapsed, language)}` +
    (run.remaining_seconds === undefined || run.ended
      ? ''
      : ` · ${say.left} ${duration(run.remaining_seconds, language)}`);
  drawFigures(say);

  const shared = {
    x: steps,
    formatX: (value: number) => short(value),
    emptyText: say.noData,
  };
  const label = (title: string, value: string): string => `${title}: ${value}. ${say.chartHelp}`;
  const smoothed = smooth(columns.loss, Number(input('smoothing').value) / 100);
  charts.loss.show({
    ...shared,
    label: label(say.loss, loss(smoothed.at(-1) ?? Number.NaN)),
    series: [
      { name: say.lossRaw, color: '--s1', values: columns.loss, faint: true },
      { name: say.lossSmooth, color: '--s1', values: smoothed },
    ],
    points: {
      name: say.evaluation,
      color: '--s2',
      values: evaluations.map((found) => ({
        x: found.step,
        y: found.eval_loss ?? Number.NaN,
        isStrong: found.is_best,
        title: `${say.step} ${found.step}: ${say.evaluation} ${loss(found.eval_loss ?? Number.NaN)}${found.is_best ? `, ${say.best}` : ''}`,
      })),
    },
    logX: input('log-x').checked,
    logY: input('log-y').checked,
    format: (value) => (Math.abs(value) < 10 ? String(Number(value.toFixed(3))) : short(value)),
  });
  const single = (
    chart: Chart,
    key: TextKey,
    values: (number | null)[],
    format: (value: number) => string,
    fromZero = true,
  ): void =>
    chart.show({
      ...shared,
      label: label(say[key], format(values.at(-1) ?? Number.NaN)),
      series: [{ name: say[key], color: '--s1', values }],
      fromZero,
      format,
    });
  single(charts.learningRate, 'learningRate', columns.learning_rate, compact);
  single(charts.gradNorm, 'gradNormShort', columns.grad_norm, compact);
  single(charts.speed, 'speed', columns.tokens_per_second, short);
  single(charts.mfu, 'mfuShort', columns.mfu, percent);
  charts.memory.show({
    ...shared,
    label: label(say.memory, bytes(columns.memory_bytes.at(-1) ?? Number.NaN)),
    series: [
      { name: say.memoryNow, color: '--s1', values: columns.memory_bytes },
      { name: say.memoryPeak, color: '--s2', values: columns.peak_memory_bytes },
    ],
    fromZero: true,
    format: bytes,
  });
  charts.phases.show({
    ...shared,
    label: say.phases,
    stacked: true,
    series: Object.entries(phases).map(
      ([name, values], index): Series => ({
        name: phaseName(name, say),
        color: `--s${(index % 8) + 1}`,
        values,
      }),
    ),
    format: (value) => compact(value),
  });
  drawSamples(say);
}

function drawFigures(say: Texts): void {
  if (data.snapshot === undefined) return;
  const { columns, evaluations, run } = data.snapshot;
  const last = (values: readonly (number | null)[]): number => values.at(-1) ?? Number.NaN;
  const evaluation = evaluations.at(-1);
  const best = evaluations.findLast(({ is_best }) => is_best);
  const figures: [TextKey, string, string][] = [
    ['loss', loss(last(columns.loss)), ''],
    [
      'evaluation',
      loss(evaluation?.eval_loss ?? Number.NaN),
      best === undefined ? '' : `${say.best} ${loss(best.eval_loss ?? Number.NaN)} (${short(best.step)})`,
    ],
    ['speedShort', short(last(columns.tokens_per_second)), ''],
    ['mfuShort', percent(last(columns.mfu)), ''],
    [
      'memory',
      bytes(last(columns.memory_bytes)),
      `${say.memoryPeak} ${bytes(last(columns.peak_memory_bytes))}`,
    ],
    ['learningRate', compact(last(columns.learning_rate)), ''],
    ['gradNormShort', compact(last(columns.grad_norm)), ''],
    [
      'timeLeft',
      run.ended ? duration(0, language) : duration(run.remaining_seconds ?? Number.NaN, language),
      '',
    ],
  ];
  element('figures').replaceChildren(
    ...figures.map(([key, value, note]) => {
      const figure = document.createElement('dl');
      figure.className = 'figure';
      const term = document.createElement('dt');
      term.textContent = say[key];
      const description = document.createElement('dd');
      description.textContent = value;
      const small = document.createElement('small');
      small.textContent = note;
      description.append(small);
      figure.append(term, description);
      return figure;
    }),
  );
}

/** The newest first; drawn anew only when there are new ones, so that a reader keeps the place. */
function drawSamples(say: Texts): void {
  const samples = data.snapshot?.samples ?? [];
  if (samples.length === shownSamples) return;
  shownSamples = samples.length;
  const paragraph = (text: string, className: string): HTMLElement => {
    const found = document.createElement('p');
    found.className = className;
    found.textContent = text;
    return found;
  };
  const items = samples.toReversed().map(({ step, prompt, text }) => {
    const item = document.createElement('article');
    item.className = 'sample';
    const small = document.createElement('small');
    small.textContent = `${say.step} ${step.toLocaleString('en')}`;
    item.append(small, paragraph(prompt, 'prompt'), paragraph(text, 'answer'));
    return item;
  });
  element('samples').replaceChildren(...(items.length === 0 ? [paragraph(say.noSamples, 'prompt')] : items));
}

/** An exponential mean, corrected for its start (Kingma & Ba, arXiv 1412.6980, section 3). */
function smooth(values: readonly (number | null)[], weight: number): (number | null)[] {
  let mean = 0;
  let count = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = weight * mean + (1 - weight) * value;
    count += 1;
    return mean / (1 - weight ** count);
  });
}

function applySettings(): void {
  const say = texts[language];
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  element('language').textContent = say.otherLanguage;
  element('language').lang = language === 'zh' ? 'en' : 'zh-CN';
  element('theme').textContent = { auto: say.themeAuto, light: say.themeLight, dark: say.themeDark }[theme];
  for (const found of document.querySelectorAll<HTMLElement>('[data-text]')) {
    const key = found.dataset.text;
    if (key !== undefined && isTextKey(key, say)) found.textContent = say[key];
  }
  shownSamples = -1;
  redraw();
}

function isTextKey(key: string, say: Texts): key is TextKey {
  return Object.hasOwn(say, key);
}

function asTheme(value: string | null): Theme {
  return value === 'light' || value === 'dark' ? value : 'auto';
}

/** The one chosen before, else the browser's. */
function chosenLanguage(): Language {
  const known = remembered('language');
  if (known === 'zh' || known === 'en') return known;
  return navigator.language.startsWith('zh') ? 'zh' : 'en';
}

/** A browser may refuse to remember. */
function remembered(key: string): string | null {
  try {
    return localStorage.getItem(`xinghe-watch-${key}`);
  } catch {
    return null;
  }
}

function remember(key: string, value: string): void {
  try {
    localStorage.setItem(`xinghe-watch-${key}`, value);
  } catch {
    // The choice then holds until the page is left.
  }
}

element('language').addEventListener('click', () => {
  language = language === 'zh' ? 'en' : 'zh';
  remember('language', language);
  applySettings();
});
element('theme').addEventListener('click', () => {
  theme = ({ auto: 'light', light: 'dark', dark: 'auto' } as const)[theme];
  remember('theme', theme);
  applySettings();
});
for (const id of ['log-x', 'log-y', 'smoothing']) input(id).addEventListener('input', redraw);
applySettings();
void data.start();
