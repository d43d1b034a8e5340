/** The example of docs/own-tasks.md as it stands there, and every key that the page names. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { evaluateTasks } from '../../../tests/support/evaluate-tasks.js';
import { FakeModel } from '../../../tests/support/evaluation-sets.js';
import { promptText } from '../model/prompt-text.js';
import { OWN_TASK_SCHEMAS } from './own-task-schema.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-own-tasks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const page = readFileSync(new URL('../../../docs/own-tasks.md', import.meta.url), 'utf8');
for (const [, path = '', content = ''] of page.matchAll(/^`([\w./-]+)`:\n\n```\w+\n([\s\S]*?)```/gm)) {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}

test('the files of the page run as they stand', async () => {
  const likes = [-1, -2, -3];
  const model = new FakeModel((question, index, { onAnswer }) => {
    const prompt = promptText(question.prompt);
    const answer =
      question.kind === 'choices'
        ? { logLikelihoods: [likes], isGreedy: [[true, false, false]] }
        : {
            output: prompt.includes('snow')
              ? 'White.'
              : prompt.includes('sky')
                ? 'grey'
                : 'That makes 1,234.',
          };
    onAnswer(index, { prompt, ids: null, droppedShots: 0, ...answer });
  });
  const result = await evaluateTasks(
    { task: join(folder, 'my-tasks'), form: 'plain', output: join(folder, 'out') },
    model,
  );
  expect(result.results.map(({ task, metric, score, n }) => [task, metric, score, n])).toEqual([
    ['capitals', 'acc', 1 / 3, 3],
    ['colours', 'exact_match', 0.5, 2],
    ['sums', 'exact_match', 0.5, 2],
  ]);
  expect(result.results[0]?.groups).toEqual({
    Africa: { score: 0.5, n: 2 },
    test: { score: 1 / 3, n: 3 },
    Asia: { score: 0, n: 1 },
  });
  expect(result.lines.map(({ id, target, extracted }) => [id, target, extracted])).toEqual([
    ['test/0', 'A', 'A'],
    ['test/1', 'B', 'A'],
    ['test/2', 'C', 'A'],
    ['colours/0', 'white', 'white'],
    ['colours/1', ['blue', 'azure'], 'grey'],
    ['sums/0', '4', '1,234'],
    ['sums/1', '1234', '1,234'],
  ]);
  const [first] = model.asked;
  expect(first?.kind === 'choices' && first.choices).toEqual([
    { continuations: [' A', ' B', ' C'], answer: 0 },
  ]);
  expect(result.lines[0]?.prompt).toBe(
    'Questions on Africa.\n\n' +
      'Question: What is the capital of Ghana?\nA. Accra\nB. Kumasi\nC. Tamale\nAnswer: A\n\n' +
      'Question: What is the capital of Kenya?\nA. Mombasa\nB. Kisumu\nC. Nairobi\nAnswer: C\n\n' +
      "Question: What is the capital of Chad?\nA. N'Djamena\nB. Moundou\nC. Abéché\nAnswer:",
  );
});

test('the page names every key, and no other', () => {
  const known = new Set(Object.values(OWN_TASK_SCHEMAS).flatMap(({ shape }) => Object.keys(shape)));
  const keys = page.slice(page.indexOf('## Keys'), page.indexOf('## Files'));
  const rows = [...keys.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)].flatMap(
    ([, cell = '']) => cell.match(/\w+/g) ?? [],
  );
  for (const key of rows) expect(known, key).toContain(key);
  for (const key of known) expect(keys, key).toContain(`\`${key}`);
});
