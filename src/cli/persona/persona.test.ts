/** The commands as a user types them, with a teacher of ours. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { sendJson } from '../../../tests/support/mock-address.js';
import { type MockJudge, startMockJudge } from '../../../tests/support/mock-judge.js';
import { SPARK_KEYS, type SparkServer, startSparkServer } from '../../../tests/support/spark-server.js';
import { main } from '../main.js';

let folder: string;
let spark: SparkServer;
let server: MockJudge;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'xinghe-persona-cli-'));
  spark = await startSparkServer(() => ['我叫', '星河。']);
  server = await startMockJudge(() => '我叫星河。');
  writeFileSync(join(folder, 'attributes.json'), '{"姓名|名字":"星河"}');
  writeFileSync(
    join(folder, 'template.jsonl'),
    '{"input":"你叫什么？","target":"我叫星火。"}\n{"input":"你是？","target":"我是星火。"}\n',
  );
  writeFileSync(
    join(folder, 'keys.env'),
    `SPARK_APP_ID=${SPARK_KEYS.appId}\nSPARK_API_KEY=${SPARK_KEYS.apiKey}\nSPARK_API_SECRET=${SPARK_KEYS.apiSecret}\n`,
    { mode: 0o600 },
  );
});
afterAll(() => {
  spark.close();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

let [out, said] = ['', ''];
beforeEach(() => {
  [out, said] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

const at = (name: string): string => join(folder, name);
const persona = (...args: string[]): Promise<number> => main(['persona', ...args]);

test('assemble writes a prompt a line', async () => {
  const args = [
    '--template',
    at('template.jsonl'),
    '--attributes',
    at('attributes.json'),
    '--output',
    at('prompts.txt'),
  ];
  expect(await persona('assemble', ...args)).toBe(0);
  expect(readFileSync(at('prompts.txt'), 'utf8').split('\n')[0]).toBe(
    '假设你是一个用户可自定义的讯飞星火开源的AI助手,在给定的人设背景下回复用户问题<ret>##人设背景如下:(你的姓名|名字:星河)##用户:{你叫什么？}##参考答案:{我叫星火。}##回答:{}',
  );
  expect(out).toContain('2 prompts of 1 attributes');
});

test.each([
  ['{"":"x"}', '{"input":"a","target":"b"}', 'empty key'],
  ['{"姓名":"x","姓名":"y"}', '{"input":"a","target":"b"}', 'stands twice'],
  ['{"姓名":"x"}', 'no json', 'not valid JSON'],
])('assemble refuses %s with %s, and writes nothing', async (attributes, template, message) => {
  writeFileSync(at('bad.json'), attributes);
  writeFileSync(at('bad.jsonl'), `${template}\n`);
  expect(
    await persona(
      'assemble',
      '--template',
      at('bad.jsonl'),
      '--attributes',
      at('bad.json'),
      '--output',
      at('none.txt'),
    ),
  ).toBe(2);
  expect(said).toContain(message);
  expect(said).not.toContain('    at ');
  expect(existsSync(at('none.txt'))).toBe(false);
});

test('extract from Spark, with keys of a file that show up nowhere', async () => {
  const args = [
    '--prompts',
    at('prompts.txt'),
    '--output',
    at('spark'),
    '--teacher',
    spark.address,
    '--keys',
    at('keys.env'),
  ];
  expect(await persona('extract', ...args)).toBe(0);
  const qa = readFileSync(at('spark/qa_data.json'), 'utf8');
  expect(
    qa
      .split('\n')
      .slice(0, 2)
      .map((line) => JSON.parse(line).target),
  ).toEqual(['我叫星河。', '我叫星河。']);
  for (const key of [SPARK_KEYS.apiKey, SPARK_KEYS.apiSecret]) expect(out + said + qa).not.toContain(key);
});

test('extract names what is missing, wrong or expired, counts it and ends with 2', async () => {
  const args = ['--prompts', at('prompts.txt'), '--teacher', spark.address];
  expect(await persona('extract', ...args, '--output', at('a'))).toBe(2);
  expect(said).toContain('Spark needs SPARK_APP_ID and SPARK_API_KEY and SPARK_API_SECRET');
  writeFileSync(at('old.env'), 'SPARK_APP_ID=a\nSPARK_API_KEY=b\nSPARK_API_SECRET=expired-one\n', {
    mode: 0o600,
  });
  expect(await persona('extract', ...args, '--output', at('b'), '--keys', at('old.env'))).toBe(2);
  expect(said).toMatch(/401.*wrong or have expired.*0 of 2 prompts are answered.*2 are not/);
  expect(said).not.toContain('expired-one');
  server.behave(({ messages }, response) => {
    if (messages.at(-1)?.content.includes('你是？')) return '我叫星河。';
    sendJson(response, { error: { message: 'content policy' } }, 400);
    return undefined;
  });
  expect(
    await persona(
      'extract',
      '--prompts',
      at('prompts.txt'),
      '--teacher',
      server.address,
      '--output',
      at('c'),
    ),
  ).toBe(2);
  expect(said).toContain('1 prompts have no answer (1 x status 400)');
  expect(readFileSync(at('c/qa_data.json'), 'utf8')).toContain('我叫星河。');
  expect(await persona('extract', ...args, '--output', at('d'), '--teacher-model', 'x')).toBe(2);
  expect(said).toContain('--teacher-model means nothing');
});

test('prepare takes the published tool’s file, and measure asks an address', async () => {
  const out1 = at('data');
  const args = ['--attributes', at('attributes.json')];
  expect(
    await persona(
      'prepare',
      ...args,
      '--answers',
      at('spark'),
      '--output',
      out1,
      '--test-share',
      '0.5',
      '--json',
    ),
  ).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ leftOut: {} });
  server.behave(() => '我叫小明。');
  const measure = ['measure', ...args, '--model', server.address, '--limit', '6', '--talks', '0'];
  expect(await persona(...measure, '--output', at('m1'))).toBe(0);
  expect(out).toMatch(/break rate +100\.0 %/);
  server.behave(() => '我叫星河。');
  out = '';
  expect(await persona(...measure, '--output', at('m2'), '--against', at('m1'), '--json')).toBe(0);
  expect(JSON.parse(out).n).toBe(6);
  expect(existsSync(at('m2/compare.html'))).toBe(true);
  expect(existsSync(at('m2/report.html'))).toBe(true);
});

test('help and unknown verbs', async () => {
  expect(await persona('--help')).toBe(0);
  expect(out).toContain('assemble');
  expect(await persona('asemble')).toBe(2);
  expect(said).toContain('there are assemble, extract, prepare, train, measure, run');
});
