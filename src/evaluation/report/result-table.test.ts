import { expect, test } from 'vitest';
import type { TaskReport } from '../run/run-evaluation.js';
import type { ResultEntry } from '../run/summarise.js';
import { type ResultTable, resultTable, tableCsv, tableMarkdown, tableText } from './result-table.js';
import { displayWidth } from './text-table.js';

function table(tasks: readonly string[]): ResultTable {
  const results = tasks.flatMap((task) =>
    ['acc', 'acc_norm'].map(
      (metric): ResultEntry => ({
        task,
        metric,
        score: 0.5,
        n: 1346,
        missing: 0,
        stderr: 0.01,
        confidence_interval: [0.4733, 0.5267],
        groups: {},
      }),
    ),
  );
  const reports = tasks.map(
    (task): TaskReport => ({
      task,
      version: 1,
      source: '',
      shots: 5,
      cot: true,
      mode: 'loglikelihood',
      form: 'plain',
      data: { files: 1, sha256: '' },
      chance: null,
      notes: [],
      problems: [],
      dropped_shots: 0,
      failures: [],
      submission: null,
    }),
  );
  return resultTable({ results, tasks: reports });
}

test('published scores stand behind a bar, at the first metric alone, and are called published', () => {
  const lines = tableText(table(['mmlu', 'agieval']))
    .trimEnd()
    .split('\n');
  expect(lines).toHaveLength(6);
  expect(new Set(lines.slice(0, 5).map((line) => line.indexOf('|'))).size).toBe(1);
  expect(lines[1]).toMatch(/\| +58\.76 +63\.02 +76\.60 +55\.10 +60\.20$/);
  expect(lines[2]).toMatch(/\|$/);
  expect(lines.at(-1)).toMatch(/published by the makers .* not measured here/);
});

test.each([80, 100, 200])('%i columns are enough', (width) => {
  const text = tableText(table(['mmlu', 'gaokao-english', 'arc-challenge', '自定义任务']), width);
  const lines = text.trimEnd().split('\n');
  for (const line of lines) expect(displayWidth(line), line).toBeLessThanOrEqual(width);
  for (const part of [
    '58.76',
    'XVERSE-13B chat',
    'not measured here',
    'plain, loglikelihood, cot',
    '自定义任务',
  ])
    expect(text.replaceAll(/\s+/g, ' ')).toContain(part);
});

test('Markdown and CSV name them in the head of their columns', () => {
  expect(tableMarkdown(table(['bbh']))).toMatch(/\| TeleChat-52B chat \(published\) \|\n/);
  expect(tableCsv(table(['bbh']))).toMatch(/,published: TeleChat-52B chat\n/);
});
