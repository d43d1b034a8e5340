/** The chat page and the server that it belongs to: a tiny model, a real browser. */
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { browserPath } from './support/chat-page/browser.js';
import { casesOf } from './support/long-suite.js';
import { requiresBrowser } from './support/requires.js';
import { ServedProcess, until } from './support/served-process.js';
import { tinyAdapter, writeTinyModel } from './support/tiny-model.js';

const executablePath = browserPath();

describe('the chat page before xinghe serve', requiresBrowser(executablePath), () => {
  let browser: Browser;
  let model: string;
  let server: ServedProcess;
  let page: Page;
  const faults: string[] = [];

  beforeAll(async () => {
    model = await writeTinyModel();
    // As plain as can be: the tokenizer has no signs for speakers.
    const template = join(model, 'chat.jinja');
    writeFileSync(
      template,
      '{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}',
    );
    server = new ServedProcess([
      ...['--chat-template', template],
      ...['--model', model, '--port', '0', '--quiet', '--served-model-name', 'star'],
      ...['--adapter', `poet=${tinyAdapter}`],
    ]);
    await server.ready();
    browser = await chromium.launch({
      ...(executablePath !== undefined && { executablePath }),
      args: ['--no-sandbox', '--disable-gpu'],
    });
    page = await browser.newPage({ locale: 'en-GB' });
    page.setDefaultTimeout(15_000);
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
        faults.push(message.text());
    });
    // An answer is as long as it may be: a random model draws its end token at any moment, before a test has looked.
    await page.route('**/v1/chat/completions', (route) =>
      route.continue({ postData: { ...Object(route.request().postDataJSON()), ignore_eos: true } }),
    );
    await page.goto(`${server.url}/`);
    await page.waitForSelector('#message-box');
  });
  afterAll(async () => {
    await browser?.close();
    await server?.end();
    rmSync(dirname(model), { recursive: true, force: true });
  });

  const button = (name: string): ReturnType<Page['locator']> =>
    page.getByRole('button', { name, exact: true });
  const running = (): Promise<number> => server.metric('vllm:num_requests_running');
  async function send(text: string): Promise<void> {
    await page.fill('#message-box', text);
    await page.press('#message-box', 'Enter');
  }
  async function setLength(tokens: number): Promise<void> {
    await button('Settings of this conversation').click();
    await page.fill('#sampling-max_tokens', String(tokens));
    await page.press('#sampling-max_tokens', 'Tab');
    await button('Close').click();
  }

  it.each(casesOf([undefined, 'reduce'] as const, (motion) => motion === undefined))(
    'says so where its script does not come, motion %s',
    async (motion) => {
      const other = await browser.newPage({ reducedMotion: motion ?? null });
      await other.route(/\.js$/, (route) => route.abort());
      await other.goto(server.url);
      const message = other.locator('.not-loaded');
      const opacity = (): Promise<unknown> =>
        other.evaluate("getComputedStyle(document.querySelector('.not-loaded')).opacity");
      await until(async () => (await opacity()) === '1', 'a message that is seen');
      expect(await message.textContent()).toContain('Behind a proxy');
      await other.close();
    },
  );

  it('answers, with figures of the server', async () => {
    await page.getByText('You are talking with star').waitFor();
    await setLength(24);
    await send('Why is the sky blue?');
    const figures = page.locator('.answer button.figures');
    await figures.waitFor();
    expect(await figures.textContent()).toMatch(/^\d+ tokens · [\d.]+ tokens\/s$/);
    expect((await page.locator('.answer .markdown').textContent())?.length).toBeGreaterThan(0);
    expect(faults).toEqual([]);
  });

  it('compares the model with its adapter', async () => {
    await button('Compare').click();
    expect(await page.getByLabel('Second model').inputValue()).toBe('poet');
    await send('And at sunset?');
    await page.locator('.column button.figures').nth(1).waitFor();
    const [plain, adapted] = await page.locator('.column .markdown').allTextContents();
    expect(adapted).not.toBe(plain);
    await button('Stop comparing').click();
  });

  it('stops the work of the engine', async () => {
    await button('New conversation').click();
    await setLength(7000);
    await send('Tell me everything.');
    await until(async () => (await running()) === 1, 'one request runs');
    await page.waitForSelector('.progress .figures');
    await button('Stop').click();
    await until(async () => (await running()) === 0, 'none runs');
    await page.getByText('You stopped this answer.').waitFor();
  });

  it('keeps what had come when the engine is killed, and goes on when it is back', async () => {
    // Alone: the stopped answer as part of the prompt may leave no room in the context for another one.
    await button('New conversation').click();
    await setLength(7000);
    await send('Once more.');
    await page.waitForSelector('.progress .figures');
    process.kill(server.enginePid ?? 0, 'SIGKILL');
    await page.locator('.remark.failure').waitFor();
    const before = await page.locator('.answer .markdown').last().textContent();
    expect(before?.length).toBeGreaterThan(0);
    await setLength(8);
    await button('Continue').click();
    // It waits as the server asks it to, and then the answer grows.
    await page.locator('.answer').last().locator('button.figures').waitFor();
    await until(async () => (await page.locator('.remark.failure').count()) === 0, 'the answer goes on');
    const after = await page.locator('.answer .markdown').last().textContent();
    expect(after?.length).toBeGreaterThan(before?.length ?? 0);
  });
});
