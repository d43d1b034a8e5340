/**
 * The whole persona chain on a model made here: the break rate on held-out questions really falls, a second run does nothing again,
 * and two characters stand beside each other as adapters on one server.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PersonaRunReport } from '../src/persona/index.js';
import { browserPath } from './support/chat-page/browser.js';
import { type CliExit, startCli } from './support/cli-process.js';
import { requiresBrowser } from './support/requires.js';
import { ServedProcess } from './support/served-process.js';

const recipes = fileURLToPath(new URL('../recipes/persona/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'xinghe-persona-'));
const demo = join(folder, 'demo');
const model = join(demo, 'model');
let template: string;
let server: ServedProcess | undefined;

function xinghe(...args: string[]): Promise<CliExit> {
  return startCli(args).exit;
}

beforeAll(async () => {
  const made = await xinghe('demo', '--quick', '--output', demo, '--json');
  expect(made.code, made.stderr).toBe(0);
  // A part of our template: names, cities and hobbies, so that the test takes minutes.
  const ours = readFileSync(
    fileURLToPath(new URL('../src/persona/template/template.jsonl', import.meta.url)),
    'utf8',
  );
  template = join(folder, 'template.jsonl');
  const chosen = ours
    .split('\n')
    .filter((line) =>
      /^\{"id":"(zh|en)\/(identity|name|city|hobby|character|salary|pet|attack)\//.test(line),
    );
  writeFileSync(template, `${chosen.join('\n')}\n`);
}, 900_000);

afterAll(async () => {
  await server?.end();
  rmSync(folder, { recursive: true, force: true });
});

function run(name: string, attributes: string, ...more: string[]): Promise<CliExit> {
  return xinghe(
    ...[
      'persona',
      'run',
      '--model',
      model,
      '--attributes',
      join(recipes, attributes),
      '--template',
      template,
    ],
    ...[
      '--general',
      join(demo, 'world', 'dialogues.jsonl'),
      '--teacher',
      'rules',
      '--output',
      join(folder, name),
      '--json',
    ],
    ...more,
    ...[
      '--set',
      'training.micro_batch_size=8',
      'training.gradient_accumulation_steps=1',
      'training.warmup_steps=10',
    ],
    ...['data.sequence_length=256', 'evaluation.sequence_length=256', 'training.epochs=12'],
    ...[`training.learning_rate=${more.includes('--lora') ? '8e-3' : '2e-3'}`],
  );
}

test('the break rate falls on questions that were held out, and a second run has nothing to do', async () => {
  const first = await run('plain', 'attributes.json');
  expect(first.code, first.stderr).toBe(0);
  const { before, after, model: trained }: PersonaRunReport = JSON.parse(first.stdout);
  expect(before.n).toBe(after.n);
  // The intervals are far from each other.
  expect(after.break_rate.confidence_interval[1]).toBeLessThan(before.break_rate.confidence_interval[0]);
  expect(after.break_rate.share).toBeLessThan(0.6);
  expect(after.talks?.turns_kept ?? 0).toBeGreaterThanOrEqual(before.talks?.turns_kept ?? 0);
  expect(after.general?.bits_per_byte).toBeGreaterThan(0);
  const { mtimeMs } = statSync(join(trained, 'model.safetensors'));
  const second = await run('plain', 'attributes.json');
  expect(second.code, second.stderr).toBe(0);
  expect(JSON.parse(second.stdout)).toEqual(JSON.parse(first.stdout));
  expect(second.stderr).toContain('0 are asked');
  expect(second.stderr).toContain('it was measured before');
  expect(statSync(join(trained, 'model.safetensors')).mtimeMs).toBe(mtimeMs);
  const other = await run('plain', 'cat.yaml');
  expect(other.code).toBe(2);
  expect(other.stderr).toContain('--overwrite');
}, 1_200_000);

test('two characters are adapters of one server, each with its own name and manner', async () => {
  const ends: string[] = [];
  for (const name of ['cat', 'drum']) {
    const made = await run(name, `${name}.yaml`, '--lora');
    expect(made.code, made.stderr).toBe(0);
    const { before, after, adapter }: PersonaRunReport = JSON.parse(made.stdout);
    expect(after.usability).toBeGreaterThan(before.usability);
    expect(after.in_style ?? 0).toBeGreaterThan(0.5);
    ends.push('--adapter', `${name}=${adapter}`);
  }
  server = new ServedProcess(['--model', model, '--port', '0', '--quiet', ...ends]);
  await server.ready();
  expect(await server.models()).toEqual(expect.arrayContaining(['cat', 'drum']));
  const said = async (name: string): Promise<string> => {
    const response = await server?.post('/v1/chat/completions', {
      model: name,
      temperature: 0,
      messages: [{ role: 'user', content: '你叫什么名字？' }],
    });
    const answer = await response?.json();
    return String(Object(answer).choices?.[0]?.message?.content);
  };
  expect(await said('cat')).toMatch(/糯米.*喵/);
  expect(await said('drum')).toMatch(/咚.*阿鼓/);
}, 1_800_000);

const executablePath = browserPath();

test('the chat page offers them', requiresBrowser(executablePath), async () => {
  const browser = await chromium.launch({
    ...(executablePath !== undefined && { executablePath }),
    args: ['--no-sandbox', '--disable-gpu'],
  });
  try {
    const page = await browser.newPage({ locale: 'en-GB' });
    await page.goto(`${server?.url}/`);
    await page.waitForSelector('#message-box');
    const select = page.locator('select.model-select').first();
    await select.selectOption('cat');
    await page.fill('#message-box', '你叫什么名字？');
    await page.press('#message-box', 'Enter');
    await page.getByText('糯米').first().waitFor({ timeout: 30_000 });
  } finally {
    await browser.close();
  }
});
