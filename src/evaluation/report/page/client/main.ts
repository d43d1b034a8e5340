/** Reads what the page holds, and shows it. */
import type { ReportContent } from '../report-content.js';
import { BrowserView } from './browser-view.js';
import { element } from './elements.js';
import { drawFacts } from './facts-view.js';
import { readSamples } from './sample-store.js';
import { drawScores } from './scores-view.js';
import { chosenLanguage, chosenTheme, remember } from './settings.js';
import { cutText, isTextKey, leftOutText, texts, wholeText } from './texts.js';

const content: ReportContent = JSON.parse(element('content').textContent ?? '');
let language = chosenLanguage();
let theme = chosenTheme();
let state: 'reading' | 'read' | 'unreadable' = 'reading';
const browser = new BrowserView(content, texts[language], language);

function draw(): void {
  const say = texts[language];
  const openGroups = [...document.querySelectorAll<HTMLDetailsElement>('details.groups[open]')].map(
    ({ dataset }) => dataset.task,
  );
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const found of document.querySelectorAll<HTMLElement>('[data-text]')) {
    const key = found.dataset.text ?? '';
    if (isTextKey(key)) found.textContent = say[key];
  }
  element('language').textContent = say.otherLanguage;
  element('language').lang = language === 'zh' ? 'en' : 'zh-CN';
  element('theme').textContent = { auto: say.themeAuto, light: say.themeLight, dark: say.themeDark }[theme];
  element('list').setAttribute('aria-label', say.samples);
  drawHeading();
  drawScores(content, say, language);
  drawFacts(content, say);
  drawStore();
  for (const fold of document.querySelectorAll<HTMLDetailsElement>('details.groups'))
    fold.open = openGroups.includes(fold.dataset.task);
  browser.setLanguage(say, language);
}

function drawHeading(): void {
  const say = texts[language];
  const { runs, version } = content;
  const kind = runs.length === 1 ? say.report : say.comparison;
  const labels = runs.map(({ label }) => label).join(language === 'zh' ? ' 对比 ' : ' against ');
  element('kind').textContent = `${kind} · Xinghe ${version}`;
  element('title').textContent = runs.length === 1 ? nameOf(runs[0]?.model ?? '') : labels;
  document.title = `${labels} · ${kind}`;
  element('about-run').textContent =
    runs.length === 1
      ? [runs[0]?.model, runs[0]?.started.slice(0, 10), runs[0]?.folder].filter(Boolean).join(' · ')
      : runs.map(({ label, model }) => `${label}: ${model}`).join(' · ');
}

/** The last part of a path. */
function nameOf(path: string): string {
  return path.split(/[/\\]/).findLast((part) => part !== '') ?? path;
}

/** What of the samples is not here, and where it is. */
function drawStore(): void {
  const say = texts[language];
  const { cutAt, cutTexts, leftOut, files } = content.samples;
  const parts =
    state !== 'read'
      ? [say[state]]
      : [
          ...(leftOut > 0 ? [leftOutText(leftOut, language)] : []),
          ...(cutAt === null ? [] : [cutText(cutTexts, cutAt, language)]),
          wholeText(files, language),
        ];
  element('store').textContent = parts.join(language === 'zh' ? '；' : '; ');
}

element('language').addEventListener('click', () => {
  language = language === 'zh' ? 'en' : 'zh';
  remember('language', language);
  draw();
});
element('theme').addEventListener('click', () => {
  theme = ({ auto: 'light', light: 'dark', dark: 'auto' } as const)[theme];
  remember('theme', theme);
  draw();
});
draw();
readSamples((samples) => browser.take(samples))
  .then(() => {
    state = 'read';
  })
  .catch((error: unknown) => {
    state = 'unreadable';
    console.error(error);
  })
  .finally(drawStore);
