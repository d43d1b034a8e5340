import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { sendJson } from '../../../tests/support/mock-address.js';
import { type MockJudge, startMockJudge } from '../../../tests/support/mock-judge.js';
import { SPARK_KEYS, type SparkServer, startSparkServer } from '../../../tests/support/spark-server.js';
import { HttpModel, type LanguageModel } from '../../evaluation/index.js';
import type { TeacherPrompt } from '../prompts/teacher-prompt.js';
import { SparkModel } from '../teacher/spark-model.js';
import { keySource, sparkKeys } from '../teacher/teacher-keys.js';
import { extractAnswers } from './extract-answers.js';
import { whyUnusable } from './usable-answer.js';

let folder: string;
let server: MockJudge;
let spark: SparkServer;

beforeAll(async () => {
  server = await startMockJudge(() => 'ok');
  spark = await startSparkServer(() => ['ok']);
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'xinghe-extract-'));
  server.calls.length = 0;
  spark.calls.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
afterAll(() => {
  server.close();
  spark.close();
});

const prompts: TeacherPrompt[] = ['一', '二', '三', '四', '五', '六'].map((input, place) => ({
  id: `line/${place + 1}`,
  input,
  prompt: `##人设##用户:{${input}}##参考答案:{x}##回答:{}`,
}));

function openHttp(): Promise<LanguageModel> {
  return HttpModel.open({
    address: server.address,
    attempts: 1,
    parallel: 2,
    timeoutSeconds: 1,
    apiKey: 'secret-key',
    forms: ['chat'],
    bearsRefusals: true,
  });
}

function lines(name: string): Record<string, string>[] {
  return readFileSync(join(folder, name), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

const asked = (): string[] => server.calls.map(({ messages }) => messages.at(-1)?.content ?? '');

test('failing lines are set aside by name, and a rerun asks for nothing else', async () => {
  server.behave(({ messages }, response) => {
    const said = messages.at(-1)?.content ?? '';
    if (said.includes('{二}')) return '';
    if (said.includes('{三}')) return '<html><body>busy</body></html>';
    if (said.includes('{四}')) return said;
    if (said.includes('{五}')) {
      sendJson(response, { error: { message: 'overloaded' } }, 503);
      return undefined;
    }
    return `答${said.length}`;
  });
  const first = await extractAnswers({ prompts, output: folder, openTeacher: openHttp });
  expect(first).toEqual({
    prompts: 6,
    known: 0,
    answered: 2,
    failed: { 'empty answer': 1, 'a page, no answer': 1, 'repeats the prompt': 1, 'status 503': 1 },
  });
  expect(lines('qa_data.json').map(({ input }) => input)).toEqual(['一', '六']);
  expect(lines('data_exception.json').map(({ Q, reason }) => [Q, reason])).toEqual([
    ['二', 'empty answer'],
    ['三', 'a page, no answer'],
    ['四', 'repeats the prompt'],
    ['五', 'status 503'],
  ]);
  expect(lines('data_exception.json')[0]?.data).toBe(prompts[1]?.prompt);
  server.calls.length = 0;
  server.behave(() => '好的');
  const second = await extractAnswers({ prompts, output: folder, openTeacher: openHttp });
  expect(second).toEqual({ prompts: 6, known: 2, answered: 6, failed: {} });
  expect(asked().sort()).toEqual(
    prompts
      .slice(1, 5)
      .map(({ prompt }) => prompt)
      .sort(),
  );
  expect(lines('qa_data.json').map(({ input }) => input)).toEqual(['一', '二', '三', '四', '五', '六']);
  expect(lines('data_exception.json')).toEqual([]);
  // All is there: the teacher is not even opened.
  const third = await extractAnswers({
    prompts,
    output: folder,
    openTeacher: () => Promise.reject(new Error('opened')),
  });
  expect(third.answered).toBe(6);
});

test('a refused key ends the run with what came, and the rest counted', async () => {
  server.behave((_, response) => {
    if (server.calls.length <= 2) return '好的';
    sendJson(response, { error: { message: 'key expired' } }, 401);
    return undefined;
  });
  const run = extractAnswers({ prompts, output: folder, openTeacher: openHttp });
  await expect(run).rejects.toThrow(/refused 3 questions.*401.*2 of 6 prompts are answered.*4 are not/);
  expect(lines('qa_data.json')).toHaveLength(2);
  expect(lines('data_exception.json')).toHaveLength(4);
  expect(readFileSync(join(folder, 'data_exception.json'), 'utf8')).not.toContain('secret-key');
});

test('a ban by Spark in the middle loses nothing', async () => {
  spark.behave(({ number }) => (number < 2 ? ['好', '的'] : 10015));
  const openTeacher = async (): Promise<LanguageModel> =>
    new SparkModel({ keys: SPARK_KEYS, address: spark.address, parallel: 1 });
  await expect(extractAnswers({ prompts, output: folder, openTeacher })).rejects.toThrow(
    /code 10015.*banned.*2 of 6 prompts are answered/,
  );
  expect(lines('data_exception.json').map(({ reason }) => reason)).toEqual(new Array(4).fill('not asked'));
  spark.behave(() => ['再来']);
  expect(await extractAnswers({ prompts, output: folder, openTeacher })).toMatchObject({
    known: 2,
    answered: 6,
  });
});

test('files of the published tool, cut-off lines and answers to other prompts are taken as they are', async () => {
  writeFileSync(
    join(folder, 'qa_data.json'),
    '{"input":"一","target":"旧"}\n{"input":"别的","target":"留着"}\n',
  );
  appendFileSync(join(folder, 'qa_data.json'), '{"input":"二","tar');
  server.behave(() => '新');
  expect(await extractAnswers({ prompts, output: folder, openTeacher: openHttp })).toMatchObject({
    known: 1,
    answered: 6,
  });
  expect(lines('qa_data.json')[0]).toEqual({ input: '一', target: '旧' });
  expect(lines('qa_data-other.json')).toEqual([{ input: '别的', target: '留着' }]);
  writeFileSync(join(folder, 'qa_data.json'), '{"input":"一"}\n');
  await expect(extractAnswers({ prompts, output: folder, openTeacher: openHttp })).rejects.toThrow(
    'qa_data.json:1: "target"',
  );
  expect(readFileSync(join(folder, 'qa_data.json'), 'utf8')).toBe('{"input":"一"}\n');
});

test.each([
  ['我叫星河。', undefined],
  ['抱歉，我没有设定过工资。', undefined],
  ['  \n', 'empty answer'],
  ['…', 'no words'],
  ['我叫\ufffd\ufffd', 'garbled answer'],
  ['<!DOCTYPE html><p>x</p>', 'a page, no answer'],
  [
    '好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的好的',
    'repeats itself',
  ],
  ["I'm sorry, but I can't assist with that.", 'refusal'],
  ['作为一个AI语言模型，我无法回答。', 'refusal'],
  ['##人设背景如下:(你的姓名:x)', 'repeats the prompt'],
])('%j: %s', (text, reason) => expect(whyUnusable(text, prompts[0]?.prompt ?? '')).toBe(reason));

test('keys come from a file or the environment, and what is missing is named', () => {
  const path = join(folder, 'keys.env');
  writeFileSync(path, '# mine\nexport SPARK_APP_ID=app\nSPARK_API_KEY="k e y"\n', { mode: 0o600 });
  const source = keySource(path, { SPARK_API_SECRET: 's', SPARK_APP_ID: 'other' });
  expect(sparkKeys(source)).toEqual({ appId: 'app', apiKey: 'k e y', apiSecret: 's' });
  expect(() => sparkKeys(keySource(path, {}))).toThrow('Spark needs SPARK_API_SECRET');
  writeFileSync(path, 'a-secret-without-a-name\n', { mode: 0o600 });
  expect(() => keySource(path, {})).toThrow(/keys.env:1: a line is NAME=VALUE/);
  expect(() => keySource(path, {})).not.toThrow('a-secret-without-a-name');
  expect(existsSync(join(folder, 'qa_data.json'))).toBe(false);
});
