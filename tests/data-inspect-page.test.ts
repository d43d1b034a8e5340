/** The page that `data inspect --html` writes, in a real browser. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../src/cli/main.js';
import { browserPath } from './support/chat-page/browser.js';
import { goldenFolder } from './support/golden.js';
import { requiresBrowser } from './support/requires.js';

const executablePath = browserPath();

describe('the page of a row', requiresBrowser(executablePath), () => {
  const folder = mkdtempSync(join(tmpdir(), 'xinghe-row-page-'));
  const file = join(folder, 'row.html');
  let browser: Browser;

  beforeAll(async () => {
    const input = join(folder, 'records.jsonl');
    const records = [{ text: '星河 🌌 流过。' }, { text: '<b>Second</b> & "last"\n天空' }];
    writeFileSync(input, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    const tokenizer = `${goldenFolder}tokenizers/spm_bpe_bytefallback`;
    const rows = join(folder, 'rows');
    const common = ['--form', 'text', '--recipe', 'xverse-pretrain', '--seq-length', '99', '--workers', '1'];
    expect(
      await main([
        'data',
        'prepare',
        '--input',
        input,
        '--output',
        rows,
        '--tokenizer',
        tokenizer,
        ...common,
      ]),
    ).toBe(0);
    expect(await main(['data', 'inspect', rows, '--row', '0', '--html', file])).toBe(0);
    browser = await chromium.launch({
      ...(executablePath !== undefined && { executablePath }),
      args: ['--no-sandbox', '--disable-gpu'],
    });
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(options: Parameters<Browser['newPage']>[0]): Promise<{ page: Page; faults: string[] }> {
    const page = await browser.newPage(options);
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('request', (request) => {
      if (!request.url().startsWith('file:')) faults.push(request.url());
    });
    await page.goto(pathToFileURL(file).href);
    return { page, faults };
  }

  async function picture(page: Page, name: string): Promise<void> {
    const shots = process.env.XINGHE_SCREENSHOTS;
    if (shots === undefined) return;
    mkdirSync(shots, { recursive: true });
    await page.screenshot({ path: join(shots, `row-${name}.png`) });
  }

  // biome-ignore lint/performance/useDomNodeTextContent: only what the style sheet shows counts
  const shown = (page: Page): Promise<string> => page.innerText('body');
  const galaxy = (page: Page): ReturnType<Page['locator']> => page.locator('.text > span', { hasText: '🌌' });

  it('speaks the language of the browser, and the other one on demand', async () => {
    const { page, faults } = await open({ locale: 'zh-CN' });
    expect(await page.title()).toBe('第 0 行，共 1 行');
    expect(await shown(page)).toMatch(/100 个词元，其中 \d+ 个参与学习/);
    expect(await shown(page)).not.toMatch(/learned|only read|Row 0/);
    expect(await galaxy(page).getAttribute('title')).toMatch(
      /^<0xF0> · 编号 \d+ · 行内位置 \d+ · 文内位置 \d+\n/,
    );
    await page.locator('summary').first().click();
    await picture(page, 'zh');
    await page.getByRole('button', { name: 'English' }).click();
    expect(await page.title()).toBe('Row 0 of 1');
    expect(await page.getAttribute('html', 'lang')).toBe('en');
    expect(await shown(page)).toContain('only read');
    expect(await shown(page)).not.toMatch(/参与学习|编号/);
    expect(await galaxy(page).getAttribute('title')).toMatch(/ · id \d+ · place \d+ · position \d+\n/);
    expect(faults).toEqual([]);
    await page.close();
  });

  it('joins the bytes of one character, fits a telephone, is dark where the system is, and is read without scripts', async () => {
    const { page, faults } = await open({
      locale: 'en-GB',
      colorScheme: 'dark',
      viewport: { width: 390, height: 844 },
      javaScriptEnabled: false,
    });
    expect(await galaxy(page).textContent()).toBe('🌌');
    expect((await galaxy(page).getAttribute('title'))?.split('\n')).toHaveLength(4);
    expect(await shown(page)).toContain('Row 0 of 1');
    expect(await page.locator('body b').count()).toBe(0);
    await picture(page, 'en-dark-phone');
    expect(await page.locator('html').evaluate((root) => root.scrollWidth)).toBe(390);
    expect(faults).toEqual([]);
    await page.close();
  });
});
