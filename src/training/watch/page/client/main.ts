/** Puts the runs into the page and keeps them there. */
import { drawCharts } from './charts-view.js';
import { drawFigures, drawSamples } from './details-view.js';
import { element, input } from './elements.js';
import { duration, short } from './numbers.js';
import type { RunData, Snapshot } from './run-data.js';
import { RunList } from './run-list.js';
import { asTheme, chosenLanguage, remember, remembered, type Theme } from './settings.js';
import { drawSetup } from './setup-view.js';
import { type TextKey, type Texts, texts } from './texts.js';

let language = chosenLanguage();
let theme: Theme = asTheme(remembered('theme'));
let isDue = false;

const list = new RunList(redraw);

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
  list.draw(say);
  const { chosen } = list;
  element('status').dataset.state = chosen?.data.connection ?? 'connecting';
  element('status-text').textContent = say[chosen?.data.connection ?? 'connecting'];
  if (chosen?.data.snapshot === undefined) return;
  drawCourse(chosen.data.snapshot, chosen.data, say);
  drawFigures(chosen.data.snapshot, say, language);
  drawCharts(list.drawn, chosen, say, language);
  drawSamples(chosen.data.snapshot.samples, say);
  drawSetup(list.drawn, say);
}

/** How far the run has come. */
function drawCourse({ run, columns }: Snapshot, data: RunData, say: Texts): void {
  const step = columns.step.at(-1) ?? 0;
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
  redraw();
}

function isTextKey(key: string, say: Texts): key is TextKey {
  return Object.hasOwn(say, key);
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
for (const id of ['log-x', 'log-y', 'smoothing', 'shows-all']) input(id).addEventListener('input', redraw);
applySettings();
void list.start();
