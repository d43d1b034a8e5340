/** A real browser with the chat page in it, before a server without a model. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { type MockOptions, MockServer } from './mock-server.js';

export const BOX = '#message-box';

/** Machines are slow at times; nothing here waits this long on a good day. */
export const poll = <T>(value: () => T): ReturnType<typeof expect.poll<T>> =>
  expect.poll(value, { timeout: 15_000 });

export const button = (page: Page, name: string): ReturnType<Page['locator']> =>
  page.getByRole('button', { name, exact: true });

export const focused = (page: Page): Promise<unknown> => page.evaluate('document.activeElement?.id ?? ""');

const folder = fileURLToPath(new URL('../../../dist/web', import.meta.url));

export class ChatBrowser {
  readonly #contexts: BrowserContext[] = [];
  #browser: Browser | undefined;
  server = new MockServer({ folder, pace: 2 });

  async launch(executablePath: string | undefined): Promise<void> {
    if (!existsSync(join(folder, 'index.html')))
      throw new Error('dist/web is not built: run `npm run build` first');
    this.#browser = await chromium.launch({
      ...(executablePath !== undefined && { executablePath }),
      args: ['--no-sandbox', '--disable-gpu'],
    });
  }

  async startServer(options: Omit<MockOptions, 'folder'> = {}): Promise<void> {
    await this.server.stop();
    this.server = new MockServer({ folder, pace: 2, ...options });
    await this.server.start();
  }

  /** Ends what one test left. */
  async tidy(): Promise<void> {
    await Promise.all(this.#contexts.splice(0).map((context) => context.close()));
    await this.server.stop();
  }

  async close(): Promise<void> {
    await this.#browser?.close();
  }

  /**
   * A page, and what went wrong in it: exceptions, breaches of the policy, requests to elsewhere.
   * @param script runs before the page's own
   */
  async open(
    options: Parameters<Browser['newContext']>[0] = {},
    script?: string,
  ): Promise<{ page: Page; faults: string[] }> {
    if (this.#browser === undefined) throw new Error('no browser was launched');
    const context = await this.#browser.newContext({
      locale: 'zh-CN',
      viewport: { width: 1280, height: 860 },
      // Stars that twinkle are drawn by the processor here, beside all that is tested.
      reducedMotion: 'reduce',
      ...options,
    });
    this.#contexts.push(context);
    context.setDefaultTimeout(15_000);
    if (script !== undefined) await context.addInitScript(script);
    const page = await context.newPage();
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => {
      // A refused or broken request is told by the browser itself; the tests that cause one look at the page.
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
        faults.push(message.text());
    });
    page.on('request', (request) => {
      if (!/^(?:blob:)?http:\/\/127\.0\.0\.1/.test(request.url())) faults.push(`asked ${request.url()}`);
    });
    await page.goto(this.server.url);
    await page.waitForSelector(BOX);
    return { page, faults };
  }

  async send(page: Page, text: string): Promise<void> {
    await page.fill(BOX, text);
    // A telephone has no Shift + Enter: there Enter is a new line.
    const isTouched = await page.evaluate("matchMedia('(hover: none) and (pointer: coarse)').matches");
    if (isTouched) await page.click('.send[type=submit]');
    else await page.press(BOX, 'Enter');
  }

  /** Sends and waits for the whole answer. */
  async ask(page: Page, text: string): Promise<void> {
    const { asked } = this.server;
    const before = asked.length;
    await this.send(page, text);
    await poll(() => asked.length).toBeGreaterThan(before);
    await poll(() => asked.slice(before).every(({ isFinished }) => isFinished)).toBe(true);
    await page.waitForSelector('.send[type=submit]');
  }
}

export const answerText = async (page: Page): Promise<string> =>
  ((await page.locator('.answer .markdown').last().textContent()) ?? '').trim();

/** Kept where XINGHE_SCREENSHOTS names a folder. */
export async function picture(page: Page, name: string): Promise<void> {
  const shots = process.env.XINGHE_SCREENSHOTS;
  if (shots === undefined) return;
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: join(shots, `chat-${name}.png`) });
}
