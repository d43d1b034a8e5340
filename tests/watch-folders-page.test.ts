/** `xinghe watch` over the folders of runs, in a real browser. */
import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { evaluationLine, stepLine } from '../src/training/watch/metrics-file.js';
import { browserPath } from './support/chat-page/browser.js';
import { casesOf } from './support/long-suite.js';
import { requiresBrowser } from './support/requires.js';
import { evaluationRecord, stepRecord } from './support/run-records.js';

const executablePath = browserPath();
const program = fileURLToPath(new URL('../bin/xinghe', import.meta.url));

describe('xinghe watch', requiresBrowser(executablePath), () => {
  const folder = mkdtempSync(join(tmpdir(), 'xinghe-watch-'));
  let browser: Browser;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({
      ...(executablePath !== undefined && { executablePath }),
      args: ['--no-sandbox', '--disable-gpu'],
    });
  });
  afterAll(async () => {
    await browser?.close();
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  function lineOf(step: number, rate: number): string {
    const loss = 2 + 7 * Math.exp((-step * rate) / 3e-2) + Math.sin(step * 12.9) * 0.1;
    return `${JSON.stringify(stepLine(stepRecord(step, { loss, learningRate: rate })))}\n`;
  }

  /** A folder as a run leaves it; not finished: its process is this one. */
  function run(name: string, steps: number, rate: number, isRunning: boolean): string {
    const path = join(folder, name);
    mkdirSync(path);
    const lines = Array.from({ length: steps }, (_, index) => lineOf(index + 1, rate));
    const evaluations = [100, 200].filter((step) => step <= steps);
    const measured = evaluations.map((step) =>
      evaluationLine(evaluationRecord(step, { loss: 3 - step / 200 })),
    );
    writeFileSync(
      join(path, 'metrics.jsonl'),
      lines.join('') + measured.map((line) => `${JSON.stringify(line)}\n`).join(''),
    );
    writeFileSync(
      join(path, 'config.yaml'),
      `# Written by xinghe train\n${stringify({ seed: 42, training: { steps: 240, learning_rate: rate } })}`,
    );
    const start = {
      started: '2026-01-01T00:00:00Z',
      command: ['xinghe', 'train'],
      versions: {},
      total_steps: 240,
    };
    writeFileSync(join(path, 'starts.jsonl'), `${JSON.stringify(start)}\n`);
    writeFileSync(join(path, 'samples.jsonl'), `{"step":100,"prompt":"讲一个故事","text":"${name}"}\n`);
    if (isRunning) writeFileSync(join(path, 'run.lock'), `${hostname()} ${process.pid}\n`);
    return path;
  }

  /** The address, once it says so. */
  function start(args: readonly string[]): Promise<{ url: string; child: ChildProcess }> {
    const child = spawn(process.execPath, [program, 'watch', ...args, '--port', '0'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    children.push(child);
    return new Promise((resolve, reject) => {
      let said = '';
      child.stderr?.on('data', (piece: Buffer) => {
        said += piece.toString();
        const url = /http:\S+/.exec(said)?.[0];
        if (url !== undefined) resolve({ url, child });
      });
      child.on('exit', () => reject(new Error(said)));
    });
  }

  async function openPage(
    url: string,
    options: Parameters<Browser['newPage']>[0],
  ): Promise<{ page: Page; faults: string[] }> {
    const page = await browser.newPage({ viewport: { width: 1280, height: 1100 }, ...options });
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text());
    });
    await page.goto(url);
    return { page, faults };
  }

  async function picture(page: Page, name: string): Promise<void> {
    const shots = process.env.XINGHE_SCREENSHOTS;
    if (shots === undefined) return;
    mkdirSync(shots, { recursive: true });
    await page.screenshot({ path: join(shots, `watch-${name}.png`), fullPage: true });
  }

  it('shows a finished run, and one that goes on as it grows', async () => {
    const finished = run('finished', 240, 3e-4, false);
    const { url, child } = await start([finished]);
    const { page, faults } = await openPage(url, { locale: 'en-GB' });
    await page.waitForSelector('[data-state=ended]');
    await page.getByText(/^240 of 240/).waitFor();
    expect(await page.locator('#runs').isVisible()).toBe(false);
    await page.getByText('Configuration').click();
    expect(await page.locator('#setup tr').allInnerTexts()).toContain('training.learning_rate\t0.0003');
    await page.close();
    child.kill('SIGINT');
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);

    const running = run('running', 40, 1e-4, true);
    const { url: second } = await start([running]);
    const { page: live } = await openPage(second, { locale: 'en-GB' });
    await live.getByText(/^40 of 240/).waitFor();
    expect(await live.getAttribute('#status', 'data-state')).toBe('live');
    appendFileSync(join(running, 'metrics.jsonl'), lineOf(41, 1e-4) + lineOf(42, 1e-4));
    await live.getByText(/^42 of 240/).waitFor();
    rmSync(join(running, 'run.lock'));
    await live.waitForSelector('[data-state=stopped]');
    // Taken up again at an earlier step.
    writeFileSync(
      join(running, 'metrics.jsonl'),
      Array.from({ length: 20 }, (_, index) => lineOf(index + 1, 1e-4)).join(''),
    );
    await live.getByText(/^20 of 240/).waitFor();
    await live.close();
    expect(faults).toEqual([]);
  });

  it('compares several: a line and a colour each, what differs first, details of the chosen one', async () => {
    const looks = [
      ['compare', { locale: 'zh-CN' }],
      ['compare-dark', { locale: 'en-GB', colorScheme: 'dark' }],
      ['compare-phone', { locale: 'zh-CN', viewport: { width: 390, height: 844 } }],
    ] as const;
    const paths = Array.from({ length: 9 }, (_, index) =>
      run(`run-${index}`, 220, 1e-4 * (index + 1), false),
    );
    const { url } = await start(paths);
    for (const [name, options] of casesOf(looks, ([look]) => look === 'compare-phone')) {
      const { page, faults } = await openPage(url, options);
      const lines = page.locator('#chart-loss path[stroke-width="2"]');
      await expect.poll(() => lines.count(), { timeout: 15_000 }).toBe(9);
      expect(await page.locator('#chart-loss path[stroke-dasharray]').count()).toBe(1);
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
      await page.locator('.setup summary').click();
      const differing = await page.locator('#setup .differs th').allTextContents();
      expect(differing).toEqual(['training.learning_rate']);
      await picture(page, name);
      await page.locator('#runs input').nth(3).uncheck();
      await expect.poll(() => lines.count()).toBe(8);
      await page.locator('#chosen-run').selectOption('5');
      await expect.poll(() => page.textContent('#title')).toBe('run-5');
      expect(await page.textContent('#samples')).toContain('run-5');
      await page.click('#language');
      await expect
        .poll(() => page.locator('.details-of').textContent())
        .toMatch(options.locale === 'zh-CN' ? /^Details of/ : /^详情/);
      expect(await page.locator('#runs input').nth(3).isChecked()).toBe(false);
      expect(faults).toEqual([]);
      await page.close();
    }
  });
});
