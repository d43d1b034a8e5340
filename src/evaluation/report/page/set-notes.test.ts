/** Notes on a set as the tasks write them, in Chinese; what is not known stays as it is. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { evaluationSets, writeSets } from '../../../../tests/support/evaluation-sets.js';
import { writeRun } from '../../../../tests/support/recorded-runs.js';
import { readRun } from '../../comparison/recorded-run.js';
import { Problems } from '../../problems.js';
import { TASKS } from '../../registry.js';
import { SetReader } from '../../sets/set-reader.js';
import { averageIn, noteIn, reasonIn } from './client/set-notes.js';
import { reportTasks } from './report-data.js';

const root = mkdtempSync(join(tmpdir(), 'xinghe-notes-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const isChinese = (text: string): boolean => /\p{Script=Han}/u.test(text);

test('every note of the built-in tasks on sets that lack their examples, and what scores are means over', async () => {
  const data = writeSets(root, evaluationSets());
  const notes: string[] = [];
  for (const task of TASKS.filter(({ root: own, name }) => own === undefined && name !== 'bbh')) {
    const { notes: own } = await task.load(new SetReader(task.name, data, task.folder, new Problems()), {
      shots: task.name === 'agieval' ? 0 : 9,
      isShotsWanted: false,
      isCot: false,
      needsPrompts: true,
      isSingleChoiceOnly: false,
    });
    notes.push(...own);
  }
  expect(notes.length).toBeGreaterThan(8);
  for (const note of notes) {
    expect(isChinese(noteIn('zh', note)), note).toBe(true);
    expect(noteIn('en', note)).toBe(note);
  }
  for (const { over } of TASKS.flatMap(({ averages = [] }) => averages))
    expect(isChinese(averageIn('zh', over)), over).toBe(true);
});

test.each([
  ['lsat-ar: 3 shots, there are no more', 'lsat-ar：示例 3 个，没有更多'],
  ['12 examples were left out: prompts did not fit the model', '省去 12 个示例：提示词超出模型的长度'],
  ['a note <i>of</i> the set', 'a note <i>of</i> the set'],
])('%j: %j', (note, chinese) => {
  expect(noteIn('zh', note)).toBe(chinese);
});

test('reasons', () => {
  expect(reasonIn('zh', 'missing option')).toBe('缺少选项');
  expect(reasonIn('zh', 'status 503')).toBe('status 503');
});

test('a judge that gave no verdict is a problem of the page', () => {
  const examples = [{ id: 'logic/0', message: 'I cannot say' }];
  const judge = { unusable: [{ reason: 'no verdict', count: 4, examples }], failed: [] };
  const samples = [{ id: 'logic/0', output: 'x', target: null, correct: null }];
  const run = readRun(writeRun(join(root, 'run'), [{ task: 'dialogue', samples, report: { judge } }]));
  const tasks = reportTasks([run]);
  expect(tasks[0]?.runs[0]?.problems).toEqual([
    { reason: 'no verdict of the judge (no verdict)', count: 4, first: 'I cannot say' },
  ]);
  expect(reasonIn('zh', 'no verdict of the judge (no verdict)')).toMatch(/^评判模型没有给出有效结论/);
});
