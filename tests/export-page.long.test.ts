/** The page beside an exported model, in a real browser: opened from the disk, and from a server that only hands out files. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportOnnx } from '../src/export/index.js';
import { generateText } from '../src/generation/index.js';
import { loadModel, loadModelTokenizer } from '../src/models/index.js';
import { browserPath } from './support/chat-page/browser.js';
import { requiresBrowser } from './support/requires.js';
import { writeTinyModel } from './support/tiny-model.js';

const executablePath = browserPath();
const runtime = fileURLToPath(new URL('../node_modules/onnxruntime-web', import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
};

describe('the page beside an exported model', requiresBrowser(executablePath), () => {
  const folder = mkdtempSync(join(tmpdir(), 'xinghe-export-page-'));
  const exported = join(folder, 'exported');
  // A model of one's own, in the place of the tiny one: for a look at it.
  const ownModel = process.env.XINGHE_EXPORT_PAGE_MODEL;
  let model: string;
  let browser: Browser;
  let server: Server;
  let address = '';

  beforeAll(async () => {
    model = ownModel ?? (await writeTinyModel('tiny', { max_position_embeddings: 96 }));
    await exportOnnx({ model, output: exported, browserRuntime: runtime });
    browser = await chromium.launch({
      ...(executablePath !== undefined && { executablePath }),
      args: ['--no-sandbox', '--disable-gpu'],
    });
    server = createServer((request, response) => {
      const path = new URL(request.url ?? '/', 'http://x').pathname;
      try {
        const content = readFileSync(join(exported, path));
        const type = TYPES[extname(path)] ?? 'application/octet-stream';
        response.writeHead(200, { 'content-type': type, 'content-length': content.length }).end(content);
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const bound = server.address();
    address = typeof bound === 'object' && bound !== null ? `http://127.0.0.1:${bound.port}` : '';
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    server?.close();
    rmSync(folder, { recursive: true, force: true });
    if (ownModel === undefined && model !== undefined) rmSync(join(model, '..'), { recursive: true });
  });

  /** A page, and whatever it asked of the network or did wrong. */
  async function open(url: string): Promise<{ page: Page; faults: string[] }> {
    const page = await browser.newPage({ locale: 'en-GB', viewport: { width: 900, height: 700 } });
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text());
    });
    page.on('request', (request) => {
      const isOwn = request.url().startsWith(address) || /^(?:file|data|blob):/.test(request.url());
      if (!isOwn) faults.push(request.url());
    });
    await page.goto(url);
    return { page, faults };
  }

  async function picture(page: Page, name: string): Promise<void> {
    const shots = process.env.XINGHE_SCREENSHOTS;
    if (shots === undefined) return;
    mkdirSync(shots, { recursive: true });
    await page.screenshot({ path: join(shots, `export-${name}.png`) });
  }

  const QUESTION = 'Where does the river end?';

  async function ask(page: Page, question: string, count: number): Promise<string> {
    await page.locator('#form').waitFor();
    await page.locator('#field').fill(question);
    await page.locator('#field').press('Enter');
    await page.locator('#send').waitFor({ state: 'visible', timeout: 60_000 });
    expect(await page.locator('#messages li').count()).toBe(count);
    return (await page.locator('#messages .assistant .text').last().textContent()) ?? '';
  }

  /** What our own engine answers, greedily. */
  function expected(questions: readonly string[]): string[] {
    const loaded = loadModel(model);
    const tokenizer = loadModelTokenizer(loaded.architecture, model);
    const { chat, eosTokenIds, shape } = loaded.architecture;
    const messages: { role: 'user' | 'assistant'; content: string }[] = [];
    const answers = questions.map((content) => {
      messages.push({ role: 'user', content });
      const maxLength = Math.max(shape.contextLength - 512, Math.floor(shape.contextLength / 2));
      const promptIds = chat.renderPrompt(messages, tokenizer, { maxLength });
      const maxNewTokens = Math.min(512, shape.contextLength - promptIds.length);
      const stopTokenIds = [...new Set([...eosTokenIds, ...chat.stopTokenIds(tokenizer)])];
      const [answer] = generateText(loaded.model, tokenizer, [{ promptIds, maxNewTokens, stopTokenIds }]);
      messages.push({ role: 'assistant', content: answer?.text ?? '' });
      return answer?.text ?? '';
    });
    loaded.model.dispose();
    return answers;
  }

  it('opened from the disk asks for its folder, and says what our engine says, turn by turn', async () => {
    const { page, faults } = await open(pathToFileURL(join(exported, 'chat.html')).href);
    await page.locator('#picker').waitFor();
    await picture(page, 'picker');
    await page.locator('#folder').setInputFiles(exported);
    await page.locator('#form').waitFor({ timeout: 30_000 });
    expect(await page.locator('#title').textContent()).toBe(basename(model));
    await page.locator('#temperature').fill('0');
    const questions = [QUESTION, 'And where does it begin?'];
    const answers = [await ask(page, questions[0] ?? '', 2), await ask(page, questions[1] ?? '', 4)];
    await picture(page, 'chat');
    expect(answers).toEqual(expected(questions));
    expect(answers[0]?.length).toBeGreaterThan(0);
    await page.locator('#anew').click();
    expect(await page.locator('#messages li').count()).toBe(0);
    expect(faults).toEqual([]);
    await page.close();
  }, 60_000);

  it('from a server of files it loads by itself', async () => {
    const { page, faults } = await open(`${address}/chat.html`);
    await page.locator('#form').waitFor({ timeout: 30_000 });
    await page.locator('#temperature').fill('0');
    expect([await ask(page, QUESTION, 2)]).toEqual(expected([QUESTION]));
    expect(faults).toEqual([]);
    await page.close();
  }, 60_000);

  it('without onnxruntime-web it says which files are missing, and how to get them', async () => {
    const bare = join(folder, 'bare');
    cpSync(exported, bare, { recursive: true });
    rmSync(join(bare, 'ort'), { recursive: true });
    const { page } = await open(pathToFileURL(join(bare, 'chat.html')).href);
    await page.locator('#folder').setInputFiles(bare);
    await page.locator('#status.fault').waitFor();
    expect(await page.locator('#status').textContent()).toMatch(
      /npm pack onnxruntime-web@1\.30\.0.*ort-wasm-simd-threaded\.wasm/,
    );
    await page.close();
  });
});
