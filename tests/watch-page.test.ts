/** The live page of a run in a real browser. */
import { mkdirSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TaskScore } from '../src/training/run/task-evaluation.js';
import { type WatchServer, watchServer } from '../src/training/watch/watch-server.js';
import { browserPath } from './support/chat-page/browser.js';
import { longTest } from './support/long-suite.js';
import { requiresBrowser } from './support/requires.js';
import { evaluationRecord, stepRecord } from './support/run-records.js';

const executablePath = browserPath();
const LOSS_LINE = '#chart-loss path[stroke-width="2"]';
const LOSS_POINTS = '#chart-loss .evaluation-point';

describe('the page of a watched run', requiresBrowser(executablePath), () => {
  let browser: Browser;
  let server: WatchServer;

  beforeAll(async () => {
    browser = await chromium.launch({
      ...(executablePath !== undefined && { executablePath }),
      args: ['--no-sandbox', '--disable-gpu'],
    });
    server = await watchServer({
      port: 0,
      label: 'xverse-33m · 预训练',
      config: { seed: 7, training: { steps: 1000, learning_rate: 3e-4 } },
      command: 'xinghe train --config run.yaml',
    });
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** A page, and what went wrong in it. */
  async function openPage(
    options: Parameters<Browser['newPage']>[0] = {},
  ): Promise<{ page: Page; faults: string[] }> {
    const page = await browser.newPage({
      locale: 'en-GB',
      viewport: { width: 1280, height: 1100 },
      ...options,
    });
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text());
    });
    await page.goto(server.url);
    return { page, faults };
  }

  /** Kept where XINGHE_SCREENSHOTS names a folder. */
  async function picture(page: Page, name: string): Promise<void> {
    const folder = process.env.XINGHE_SCREENSHOTS;
    if (folder === undefined) return;
    mkdirSync(folder, { recursive: true });
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
  }

  const text = async (page: Page, selector: string): Promise<string> =>
    (await page.textContent(selector)) ?? '';

  it('shows an empty run, and then its steps as they come', async () => {
    const { page, faults } = await openPage();
    await page.waitForSelector('[data-state=live]');
    expect(await text(page, '#title')).toBe('xverse-33m · 预训练');
    expect(await text(page, '#chart-loss')).toContain('No values so far');
    await picture(page, 'empty');
    feed(1, 300);
    await page.getByText(/^300 of 1,000/).waitFor();
    expect(await page.locator(LOSS_POINTS).count()).toBe(6);
    expect(await page.getAttribute('#bar', 'aria-valuenow')).toBe('30.0');
    expect(await text(page, '.figures')).toMatch(/MFU42\.\d %/);
    expect(await text(page, '#samples')).toContain('<b>从前有座山</b>');
    expect(await page.locator('#samples b').count()).toBe(0);
    await picture(page, 'light');
    feed(301, 301);
    await page.getByText(/^301 of/).waitFor();
    expect(faults).toEqual([]);
    await page.close();
  });

  longTest('explains its dots, and shows how the run is set up', async () => {
    const { page, faults } = await openPage();
    await page.waitForSelector(LOSS_POINTS, { state: 'attached' });
    const legend = await text(page, '#chart-loss + .legend');
    for (const part of [
      'each step',
      'smoothed',
      'dot: an evaluation on held-out rows',
      'large dot: the lowest so far',
    ])
      expect(legend).toContain(part);
    await page.getByText('Configuration').click();
    const rows = await page.locator('#setup tr').allInnerTexts();
    expect(rows).toContain('training.learning_rate\t0.0003');
    expect(rows).toContain('command\txinghe train --config run.yaml');
    await page.locator('.setup').scrollIntoViewIfNeeded();
    await picture(page, 'configuration');
    expect(faults).toEqual([]);
    await page.close();
  });

  it('draws rewards, accuracy and log-probabilities of a run that has them, in both languages', async () => {
    const plain = await openPage();
    await plain.page.waitForSelector(LOSS_LINE, { state: 'attached' });
    expect(await plain.page.locator('#rewards-card').isVisible()).toBe(false);
    await plain.page.close();
    const compared = await watchServer({ port: 0, label: 'dpo' });
    for (let step = 1; step <= 30; step++)
      compared.step(
        stepRecord(step, {
          metrics: {
            'rewards/chosen': step / 30,
            'rewards/rejected': -step / 60,
            'rewards/margins': step / 20,
            'rewards/accuracies': Math.min(1, 0.5 + step / 40),
            'logps/chosen': -40 + step / 10,
            'logps/rejected': -50,
          },
        }),
      );
    for (const [locale, title, legend] of [
      ['en-GB', 'Rewards of the answers', 'chosen'],
      ['zh-CN', '回答的奖励', '优选'],
    ] as const) {
      const page = await browser.newPage({ locale, viewport: { width: 1280, height: 1400 } });
      await page.goto(compared.url);
      await page.locator('#chart-rewards path[stroke-width="2"]').first().waitFor({ state: 'attached' });
      expect(await text(page, '#rewards-title')).toBe(title);
      expect(await text(page, '#rewards-card .legend')).toContain(legend);
      expect(await page.locator('#chart-rewards path[stroke-width="2"]').count()).toBe(3);
      expect(await page.locator('#chart-accuracies path[stroke-width="2"]').count()).toBe(1);
      expect(await page.locator('#chart-logps path[stroke-width="2"]').count()).toBe(2);
      await picture(page, `preference-${locale}`);
      await page.close();
    }
    await compared.close();
  });

  it('draws what evaluation tasks score, beside chance, in both languages', async () => {
    const tasked = await watchServer({ port: 0, label: 'forgetting' });
    for (let step = 0; step <= 60; step++) {
      if (step > 0) tasked.step(stepRecord(step));
      if (step % 15 !== 0) continue;
      const score = (task: string, value: number, chance: number | null): TaskScore => ({
        task,
        metric: 'acc',
        score: value,
        n: 50,
        stderr: 0.05,
        chance,
      });
      const scores = [score('arc-easy', 0.62 - step / 200, 0.25), score('gsm8k', step / 300, null)];
      tasked.taskScores?.({ step, scores, seconds: 1 });
    }
    for (const [locale, title, chance] of [
      ['en-GB', 'Evaluation tasks', 'chance'],
      ['zh-CN', '评测任务得分', '随机水平'],
    ] as const) {
      const page = await browser.newPage({ locale, viewport: { width: 1280, height: 1400 } });
      await page.goto(tasked.url);
      await page.locator('#chart-tasks .evaluation-point').first().waitFor();
      expect(await text(page, '#tasks-title')).toBe(title);
      expect(await page.locator('#chart-tasks .evaluation-point').count()).toBe(10);
      expect(await page.locator('#chart-tasks path[stroke-width="2"]').count()).toBe(3);
      expect(await page.locator('#chart-tasks path[stroke-dasharray]').count()).toBe(1);
      const legend = await text(page, '#tasks-card .legend');
      for (const part of ['arc-easy acc', 'gsm8k acc', chance]) expect(legend).toContain(part);
      expect(await page.locator('#chart-tasks circle title').first().textContent()).toMatch(
        /arc-easy acc, .* 0: 62\.0 %/,
      );
      await picture(page, `tasks-${locale}`);
      await page.close();
    }
    const prometheus = await (await fetch(new URL('/metrics', tasked.url))).text();
    expect(prometheus).toContain('xinghe_training_task_score{task="arc-easy",metric="acc"} 0.32');
    await tasked.close();
  });

  longTest('clips outliers with a mark, and shows them on demand', async () => {
    const wild = await watchServer({ port: 0, label: 'wild' });
    for (let step = 1; step <= 200; step++)
      wild.step(
        stepRecord(step, {
          loss: step === 90 ? 400 : 2 + Math.sin(step) / 10,
          gradNorm: step === 90 || step === 150 ? 1e5 : 1 + Math.cos(step) / 10,
        }),
      );
    const page = await browser.newPage({ locale: 'zh-CN', viewport: { width: 1280, height: 1100 } });
    await page.goto(wild.url);
    const marks = page.locator('#chart-grad-norm .beyond');
    await marks.first().waitFor();
    expect(await marks.count()).toBe(2);
    expect(await marks.first().textContent()).toBe('90: 100k');
    expect(await text(page, '#chart-grad-norm + .legend')).toBe('2 个值在图外，最远 100k');
    expect(await text(page, '#chart-loss + .legend')).toMatch(/1 个值在图外，最远 400$/);
    const ticks = (): Promise<string[]> =>
      page.locator('#chart-grad-norm text[text-anchor=end]').allTextContents();
    expect((await ticks()).join()).not.toContain('k');
    // Neither the line of the loss nor its mean is drawn up by the one wild step. (200: the end of the other axis.)
    const lossTicks = await page.locator('#chart-loss text[text-anchor=end]').allTextContents();
    expect(lossTicks.filter((tick) => tick !== '200' && Number(tick) > 3)).toEqual([]);
    await picture(page, 'outliers');
    await page.getByLabel('显示离群值').check();
    await marks.first().waitFor({ state: 'detached' });
    expect((await ticks()).join()).toContain('k');
    await page.close();
    await wild.close();
  });

  it('catches up on steps that it missed while its connection was cut', async () => {
    // The page goes through a relay that can be cut.
    const { hostname, port } = new URL(server.url);
    const sockets = new Set<Socket>();
    const relay = createServer((client) => {
      const upstream = connect(Number(port), hostname);
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        socket.on('error', () => {}); // Cut on purpose.
        socket.on('close', () => sockets.delete(socket));
      }
      client.pipe(upstream).pipe(client);
    });
    const listen = (at: number): Promise<number> =>
      new Promise((resolve) => {
        relay.listen(at, '127.0.0.1', () => {
          const address = relay.address();
          resolve(typeof address === 'object' && address !== null ? address.port : at);
        });
      });
    const relayPort = await listen(0);
    const page = await browser.newPage({ locale: 'en-GB' });
    await page.goto(`http://127.0.0.1:${relayPort}/`);
    await page.waitForSelector('[data-state=live]');
    relay.close();
    for (const socket of sockets) socket.destroy();
    await page.waitForSelector('[data-state=lost]');
    feed(302, 320);
    await listen(relayPort);
    await page.getByText(/^320 of/).waitFor();
    await page.waitForSelector('[data-state=live]');
    await page.close();
    relay.close();
    for (const socket of sockets) socket.destroy();
  });

  it('speaks Chinese, and remembers it; is dark where it is told so', async () => {
    const { page, faults } = await openPage({ locale: 'zh-CN', colorScheme: 'dark' });
    await page.waitForSelector('[data-state=live]');
    expect(await text(page, '#loss-title')).toBe('损失');
    expect(await page.getAttribute('html', 'lang')).toBe('zh-CN');
    expect(await text(page, '#time-text')).toMatch(/已用 .*分.*剩余/);
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(16, 20, 28)');
    await picture(page, 'dark-chinese');
    await page.click('#language');
    expect(await text(page, '#loss-title')).toBe('Loss');
    await page.click('#theme'); // light
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(245, 246, 248)');
    await page.reload();
    await page.waitForSelector('[data-state=live]');
    expect(await text(page, '#loss-title')).toBe('Loss');
    expect(await page.getAttribute('html', 'data-theme')).toBe('light');
    expect(faults).toEqual([]);
    await page.close();
  });

  it('is read by mouse and by keyboard', async () => {
    const { page } = await openPage();
    await page.waitForSelector(LOSS_LINE, { state: 'attached' });
    await page.hover('#chart-loss > svg');
    expect(await text(page, '#chart-loss .tip')).toMatch(/each step\d.*smoothed\d/);
    await picture(page, 'hover');
    const svg = page.locator('#chart-loss > svg');
    await svg.focus();
    await page.keyboard.press('Home');
    expect(await svg.getAttribute('aria-label')).toMatch(/^1: each step/);
    await page.keyboard.press('ArrowRight');
    expect(await svg.getAttribute('aria-label')).toMatch(/^2: each step/);
    const shape = (): Promise<string | null> => page.locator(LOSS_LINE).getAttribute('d');
    const before = await shape();
    await page.focus('#log-x');
    await page.keyboard.press('Space');
    await expect.poll(shape).not.toBe(before);
    await page.check('#log-y');
    await picture(page, 'log');
    // Every control and every chart has a name.
    for (const role of ['button', 'checkbox', 'slider', 'img', 'progressbar'] as const)
      for (const found of await page.getByRole(role).all()) {
        const snapshot = await found.ariaSnapshot();
        expect(snapshot, role).toMatch(/"[^"]+"/);
      }
    await page.close();
  });

  it('fits a telephone', async () => {
    const { page } = await openPage({ viewport: { width: 375, height: 800 } });
    await page.waitForSelector(LOSS_LINE, { state: 'attached' });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(375);
    await picture(page, 'narrow');
    await page.close();
  });

  longTest('stays quick in a run of 100 000 steps', async () => {
    const long = await watchServer({ port: 0, label: 'long' });
    for (let step = 1; step <= 100_000; step++) long.step(stepRecord(step, { totalSteps: 200_000 }));
    const page = await browser.newPage({ locale: 'en-GB' });
    await page.goto(long.url);
    await page.getByText(/^100,000 of/).waitFor();
    const { length } = (await page.locator(LOSS_LINE).getAttribute('d')) ?? '';
    expect(length).toBeGreaterThan(1000);
    expect(length).toBeLessThan(50_000);
    long.step(stepRecord(100_001, { totalSteps: 200_000 }));
    await page.getByText(/^100,001 of/).waitFor();
    await page.close();
    await long.close();
  });

  it('says that the run has ended', async () => {
    const { page } = await openPage();
    await page.waitForSelector('[data-state=live]');
    await server.close();
    // Its last step was never made.
    await page.waitForSelector('[data-state=stopped]');
    expect(await text(page, '#status')).toBe('the run was stopped');
    await page.close();
  });

  /** Steps of a run that could be. */
  function feed(from: number, to: number): void {
    for (let step = from; step <= to; step++) {
      const noise = Math.sin(step * 12.9898) * 0.16 + Math.sin(step * 78.233) * 0.1;
      const loss = 2.1 + 6.8 * Math.exp(-step / 55) + 0.9 * Math.exp(-step / 400) + noise;
      server.step(
        stepRecord(step, {
          totalSteps: 1000,
          loss,
          gradNorm: 0.8 + 4 * Math.exp(-step / 30) + Math.abs(noise),
          learningRate:
            step < 50 ? (3e-4 * step) / 50 : 1.5e-4 * (1 + Math.cos((Math.PI * (step - 50)) / 950)),
          tokensPerSecond: 1024 + 40 * noise,
          modelFlopsUtilisation: 0.415 + 0.02 * noise,
          memoryBytes: 1.31e9 + 1e7 * noise,
          peakMemoryBytes: 1.34e9,
          phaseSeconds: {
            data: 0.02,
            forward: 0.6 + 0.05 * noise,
            backward: 1.25,
            optimizer: 0.1,
            save: step % 100 === 0 ? 0.9 : 0,
          },
          elapsedSeconds: 2 * step,
        }),
      );
      if (step % 50 === 0)
        server.evaluation?.(evaluationRecord(step, { loss: loss - noise + 0.12, isBest: step !== 250 }));
      if (step % 100 === 0)
        server.sample?.({
          step,
          prompt: '讲一个故事',
          text: `<b>从前有座山</b>，山里有座庙，庙里有个老和尚（第 ${step} 步）。`,
        });
    }
  }
});
