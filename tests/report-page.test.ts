/** The report of an evaluation, and the comparison of two, in a real browser: one file each, opened from the disk. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Locator, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareRuns } from '../src/evaluation/comparison/compare-runs.js';
import { readRun } from '../src/evaluation/comparison/recorded-run.js';
import { type ReportPageOptions, renderReport } from '../src/evaluation/report/page/report-page.js';
import { browserPath } from './support/chat-page/browser.js';
import { longTest } from './support/long-suite.js';
import { type MadeTask, manySamples, writeRun } from './support/recorded-runs.js';
import { requiresBrowser } from './support/requires.js';

const executablePath = browserPath();

/** What models may write, and what a page must survive. */
const HOSTILE =
  '</script><script>window.harmed=1</script><img src=x onerror="window.harmed=2">&lt;b&gt; \u202Egnp.exe\u0000\u0007 \ud800 <!-- ]]>';

const GENERATED: MadeTask = {
  task: 'gsm8k',
  metric: 'exact_match',
  report: {
    mode: 'generate',
    chance: null,
    form: 'chat',
    notes: ['a note <i>of</i> the set', 'measured on the val split'],
  },
  samples: [
    {
      id: 'test/0',
      groups: ['test'],
      prompt: 'How many stars?',
      output: HOSTILE,
      extracted: '</td><b>12</b>',
      target: '12',
      correct: false,
    },
    {
      id: 'test/1',
      groups: ['test'],
      prompt: '2 + 2?',
      output: 'It is\n#### 4',
      extracted: '4',
      target: '4',
      correct: true,
    },
    { id: 'test/2', groups: ['test'], prompt: '3 + 3?', output: 'no idea', target: '6' },
    { id: 'test/3', groups: ['test'], target: '7', missing: 'no recorded output' },
  ],
};

describe('the report of an evaluation', requiresBrowser(executablePath), () => {
  const folder = mkdtempSync(join(tmpdir(), 'xinghe-report-'));
  let browser: Browser;
  let pages = 0;

  beforeAll(async () => {
    browser = await chromium.launch({
      ...(executablePath !== undefined && { executablePath }),
      args: ['--no-sandbox', '--disable-gpu'],
    });
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function writePage(runs: readonly string[], options: ReportPageOptions = {}): string {
    const path = join(folder, `page-${pages++}.html`);
    writeFileSync(path, renderReport(runs.map(readRun), options));
    return path;
  }

  /** A page, and whatever it asked of the network or did wrong. */
  async function open(
    path: string,
    options: Parameters<Browser['newPage']>[0] = {},
  ): Promise<{ page: Page; faults: string[] }> {
    const page = await browser.newPage({
      locale: 'en-GB',
      viewport: { width: 1280, height: 1000 },
      ...options,
    });
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text());
    });
    page.on('request', (request) => {
      if (!/^(?:file|data|blob):/.test(request.url())) faults.push(request.url());
    });
    await page.goto(pathToFileURL(path).href);
    await page.waitForSelector('.row');
    return { page, faults };
  }

  async function picture(page: Page, name: string, fullPage = true): Promise<void> {
    const shots = process.env.XINGHE_SCREENSHOTS;
    if (shots === undefined) return;
    mkdirSync(shots, { recursive: true });
    await page.screenshot({ path: join(shots, `report-${name}.png`), fullPage });
  }

  // biome-ignore lint/performance/useDomNodeTextContent: only what is shown counts
  const shown = (locator: Locator): Promise<string> => locator.innerText();

  const small = (): string =>
    writeRun(join(folder, 'small'), [{ task: 'mmlu', samples: manySamples(228, 0.55) }, GENERATED]);

  it('shows scores, intervals, chance, groups, and what others published as such', async () => {
    const { page, faults } = await open(writePage([small()]));
    const mmlu = page.locator('.task').first();
    expect(await shown(mmlu.locator('.value').first())).toMatch(/^\d\d\.\d\d\s+\d\d\.\d\d – \d\d\.\d\d$/);
    expect(await mmlu.locator('.chance').getAttribute('style')).toBe('left: 25%;');
    expect(await mmlu.locator('.track .published').count()).toBe(5);
    expect(await shown(mmlu.locator('.published-line'))).toMatch(
      /^published, not measured here: Spark-13B base 58\.76/,
    );
    expect(await shown(page.locator('#title'))).toBe('small');
    expect(await shown(page.locator('#legend'))).toContain('not measured here');
    await mmlu.getByText('59 groups').click();
    expect(await mmlu.locator('.group-bars .bar-row').count()).toBe(59);
    await mmlu.getByRole('button', { name: 'sort by score' }).click();
    const scores = (await mmlu.locator('.group-bars .value b').allInnerTexts()).map(Number);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    await picture(page, 'desktop');
    expect(faults).toEqual([]);
    await page.close();
  });

  it('filters by task, group, verdict and emptiness, and searches all texts', async () => {
    const { page, faults } = await open(writePage([small()]));
    const count = async (text: string): Promise<void> => page.locator('#count', { hasText: text }).waitFor();
    await count('232 of 232');
    await page.selectOption('#task', { label: 'GSM8K' });
    await count('4 of 232');
    await page.selectOption('#verdict', 'wrong');
    await count('2 of 232');
    await page.check('#empty');
    await count('1 of 232');
    expect(await shown(page.locator('#sample'))).toMatch(/no idea[\s\S]*Extracted answer\s+nothing/);
    await page.uncheck('#empty');
    await page.selectOption('#verdict', 'missing');
    await count('1 of 232');
    expect(await shown(page.locator('#sample'))).toContain('no recorded output');
    await page.selectOption('#verdict', '');
    await page.selectOption('#task', '');
    await page.selectOption('#group', { label: 'subject_7' });
    await count('4 of 232');
    await page.selectOption('#group', '');
    await page.fill('#search', 'GNP.EXE');
    await count('1 of 232');
    expect(await shown(page.locator('#sample mark').first())).toBe('gnp.exe');
    await page.fill('#search', 'nowhere to be found');
    await count('0 of 232');
    expect(await shown(page.locator('#list'))).toBe('No sample is like that.');
    expect(faults).toEqual([]);
    await page.close();
  });

  it('shows a sample whole: shared examples folded, options with their log-likelihoods', async () => {
    const { page } = await open(writePage([small()]));
    await page.selectOption('#group', { label: 'subject_7' });
    await page.locator('#count', { hasText: '4 of' }).waitFor();
    const sample = page.locator('#sample');
    expect(await shown(sample.locator('.shared summary'))).toMatch(
      /of this subject share \(\d+ characters\)/,
    );
    expect(await shown(sample.locator('.prompt > .text'))).toMatch(/^Question 7 of subject_7/);
    const rows = await sample.locator('.options tr').allInnerTexts();
    expect(rows).toHaveLength(4);
    expect(rows.join('\n')).toMatch(/-\d\.\d{4}\s+\d+\.\d %/);
    expect(rows.filter((row) => row.includes('right'))).toHaveLength(1);
    expect(rows.find((row) => row.includes('right'))).toMatch(/^D/);
    await picture(page, 'sample', false);
    await page.close();
  });

  it('names the options that a prompt does not list', async () => {
    const samples = manySamples(1, 1);
    const options = ['the first ending', '<b>second</b>', 'third', 'fourth'];
    const path = writePage([
      writeRun(join(folder, 'named'), [
        { task: 'hellaswag', samples: samples.map((sample) => ({ ...sample, options })) },
      ]),
    ]);
    const { page } = await open(path);
    const rows = await page.locator('.options tr').allInnerTexts();
    expect(rows).toHaveLength(8);
    expect(rows[0]).toMatch(/^A\s+-0\.5000/);
    expect(rows.filter((_, place) => place % 2 === 1).map((row) => row.trim())).toEqual(options);
    await page.fill('#search', 'FIRST ENDING');
    await page.locator('#sample mark').waitFor();
    await page.close();
  });

  it('runs nothing that a model wrote, and shows what cannot be seen', async () => {
    const { page, faults } = await open(writePage([small()]));
    await page.selectOption('#task', { label: 'GSM8K' });
    await page.locator('#count', { hasText: '4 of' }).waitFor();
    const output = await shown(page.locator('.output .text'));
    expect(output).toContain('</script><script>window.harmed=1</script>');
    for (const shown of ['U+202E', 'U+0000', 'U+0007', 'U+D800']) expect(output).toContain(shown);
    expect(await page.evaluate('window.harmed')).toBeUndefined();
    expect(await page.locator('#sample b, #sample img, .task i:not(.published-line i)').count()).toBe(0);
    expect(faults).toEqual([]);
    await picture(page, 'hostile', false);
    await page.close();
  });

  it('is read by keyboard alone', async () => {
    const { page } = await open(writePage([small()]));
    await page.keyboard.press('/');
    await page.keyboard.type('question');
    await page.locator('#count', { hasText: '228 of' }).waitFor();
    await page.focus('#list');
    await page.keyboard.press('End');
    expect(await page.locator('.row[aria-selected=true]').getAttribute('aria-posinset')).toBe('228');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('PageUp');
    const place = Number(await page.locator('.row[aria-selected=true]').getAttribute('aria-posinset'));
    expect(place).toBeLessThan(225);
    expect(await page.getAttribute('#list', 'aria-activedescendant')).toBe(`row-${place - 1}`);
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('sample');
    const { href } = new URL(page.url());
    await page.keyboard.press('Escape');
    expect(await page.evaluate('document.activeElement.id')).toBe('list');
    // The address leads back to the sample.
    await page.goto('about:blank');
    await page.goto(href);
    await page.locator(`.row[aria-selected=true]:not(#row-0)`).waitFor();
    for (const role of ['button', 'combobox', 'searchbox', 'listbox', 'checkbox'] as const)
      for (const found of await page.getByRole(role).all())
        expect(await found.ariaSnapshot(), role).toMatch(/"[^"]+"/);
    await page.close();
  });

  it('speaks Chinese, is dark, and fits a telephone', async () => {
    const { page, faults } = await open(writePage([small()]), {
      locale: 'zh-CN',
      colorScheme: 'dark',
      viewport: { width: 375, height: 800 },
    });
    expect(await page.getAttribute('html', 'lang')).toBe('zh-CN');
    expect(await shown(page.locator('#scores-title'))).toBe('得分');
    expect(await shown(page.locator('#legend'))).toContain('非本次实测');
    expect(await shown(page.locator('.notes'))).toContain('在 val 划分上测量');
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(16, 20, 28)');
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(375);
    await picture(page, 'narrow-dark-chinese');
    expect(await page.locator('#sample').isVisible()).toBe(false);
    await page.locator('.row').nth(3).click();
    expect(await page.locator('#sample').isVisible()).toBe(true);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(375);
    await page.locator('#browser').scrollIntoViewIfNeeded();
    await picture(page, 'narrow-sample', false);
    await page.getByRole('button', { name: '返回列表' }).click();
    expect(await page.locator('#list').isVisible()).toBe(true);
    await page.click('#language');
    expect(await shown(page.locator('#scores-title'))).toBe('Scores');
    expect(faults).toEqual([]);
    await page.close();
  });

  longTest('stays quick with 15 000 samples, and small', async () => {
    const path = writePage([
      writeRun(join(folder, 'large'), [{ task: 'mmlu', samples: manySamples(15_000, 0.6) }]),
    ]);
    expect(statSync(path).size).toBeLessThan(6e6);
    const { page } = await open(path);
    await page.locator('#count', { hasText: '15,000 of 15,000' }).waitFor();
    expect(await page.locator('.row').count()).toBeLessThan(60);
    const started = performance.now();
    await page.fill('#search', 'question 14999 of');
    await page.locator('#count', { hasText: '1 of 15,000' }).waitFor();
    // Generous: a fraction of it alone on this machine.
    expect(performance.now() - started).toBeLessThan(5000);
    await page.fill('#search', '');
    await page.locator('#count', { hasText: '15,000 of' }).waitFor();
    await page.focus('#list');
    await page.keyboard.press('End');
    expect(await page.locator('.row[aria-selected=true]').getAttribute('aria-posinset')).toBe('15000');
    await page.close();
  });

  longTest('says what did not fit, and where it is', async () => {
    const noise = (index: number): string =>
      Array.from({ length: 4000 }, (_, n) =>
        String.fromCharCode(0x4e00 + ((index * 7919 + n * n * 31) % 20_000)),
      ).join('');
    const samples = manySamples(600, 0.5).map((sample, index) => ({ ...sample, output: noise(index) }));
    const path = writePage([writeRun(join(folder, 'cut'), [{ task: 'mmlu', samples }])], {
      mostSamples: 2e6,
    });
    expect(statSync(path).size).toBeLessThan(2.2e6);
    const { page } = await open(path);
    await page.locator('#store', { hasText: 'cut in their middle' }).waitFor();
    expect(await shown(page.locator('#store'))).toMatch(
      /^\d+ texts of more than [\d,]+ characters are cut in their middle; everything is in .*cut\/samples\.jsonl$/,
    );
    expect(await shown(page.locator('.output .text'))).toMatch(/\[… \d+ …\]/);
    await page.close();
    const tiny = writePage([join(folder, 'cut')], { mostSamples: 1e5 });
    expect(readFileSync(tiny, 'utf8')).toMatch(/"leftOut":(?!0)\d+/);
  });

  it('compares two runs sample by sample', async () => {
    const runs = [0.5, 0.62].map((share, place) =>
      writeRun(join(folder, `run-${'ab'[place]}`), [
        { task: 'mmlu', samples: manySamples(600 - 20 * place, share, place + 1) },
      ]),
    );
    const comparison = compareRuns(runs.map(readRun));
    const { page, faults } = await open(writePage(runs, { comparison }));
    expect(await shown(page.locator('.warning'))).toMatch(/only the 580 samples in common/);
    const difference = await shown(page.locator('.difference'));
    expect(difference).toMatch(/acc: run-b − run-a \+\d+\.\d\d \(.*McNemar's test.*p = /);
    const [, first = '', second = ''] = /run-a: (\d+), run-b: (\d+)/.exec(difference) ?? [];
    for (const [wanted, alone] of [
      ['only-0', first],
      ['only-1', second],
    ] as const) {
      await page.selectOption('#verdict', wanted);
      // Samples that one run alone has are in no pair.
      await page.locator('#count', { hasText: / of 600/ }).waitFor();
      const many = Number((await shown(page.locator('#count'))).split(' ')[0]);
      expect(many).toBeGreaterThanOrEqual(Number(alone));
      expect(many).toBeLessThanOrEqual(Number(alone) + 20);
    }
    expect(await page.locator('#sample .answer').count()).toBe(2);
    await picture(page, 'comparison');
    await page.click('#language');
    expect(await shown(page.locator('.warning'))).toBe(
      'mmlu: 仅比较 580 个共同样本（run-a: 600, run-b: 580）',
    );
    expect(faults).toEqual([]);
    await page.close();
  });
});
