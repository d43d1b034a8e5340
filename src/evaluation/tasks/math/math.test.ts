import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { evaluationSets, writeSets } from '../../../../tests/support/evaluation-sets.js';
import { promptText } from '../../model/prompt-text.js';
import { Problems } from '../../problems.js';
import { SetReader } from '../../sets/set-reader.js';
import type { Grade, LoadedSet } from '../../task.js';
import { math } from './math.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-math-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const own = Object.fromEntries(
  Object.entries(evaluationSets()).filter(([path]) => path.startsWith('math/test/')),
);

function load(name: string, files: Readonly<Record<string, string>>, shots: number): Promise<LoadedSet> {
  const root = writeSets(join(folder, name, 'eval'), { ...own, ...files });
  return math.load(new SetReader('math', root, 'math', new Problems()), {
    shots,
    isShotsWanted: true,
    isCot: false,
    needsPrompts: true,
    isSingleChoiceOnly: false,
  });
}

const fixed = [1, 2, 3, 4]
  .map((n) => `${JSON.stringify({ problem: `fixed ${n}?`, solution: `It is ${n}.` })}\n`)
  .join('');

test.each(['math/few_shot_prompts.jsonl', '../eval-prompts/math/few_shot_prompts.jsonl'])(
  'worked examples of another publisher: %s',
  async (path) => {
    const trained = { 'math/train/algebra/1.json': JSON.stringify({ problem: 'train?', solution: 'no' }) };
    const { samples } = await load(path.slice(0, 4), { ...trained, [path]: fixed }, 4);
    expect(samples.map(({ id }) => id)).toEqual(['algebra/2', 'algebra/10']);
    const prompt = samples[0]?.prompt;
    if (prompt === undefined) throw new Error('no prompt');
    expect(promptText(prompt)).toMatch(/^Problem:\nfixed 1\?\n\nSolution: It is 1\.\n\nProblem:\nfixed 2\?/);
  },
);

test('fewer examples than asked for are refused', async () => {
  await expect(load('none', {}, 4)).rejects.toThrow(/--shots 4, but .* has only 0 examples/);
});

test("Hendrycks' rule is the score; Minerva's stands beside it", async () => {
  const { samples } = await load('grade', {}, 0);
  const half = samples.find(({ target }) => target === '\\frac{1}{2}');
  const grade = async (output: string): Promise<Grade | undefined> =>
    half?.grade([output], { runProgram: () => Promise.reject(new Error('no program')) });
  expect(await grade('so \\boxed{1/2}')).toMatchObject({ isCorrect: [true], others: { minerva: 0 } });
  expect(await grade('Final Answer: The final answer is $0.5$. I hope it is correct.')).toMatchObject({
    isCorrect: [false],
    others: { minerva: 1, minerva_text: 0, minerva_undecided: 0 },
  });
  expect(await grade('Final Answer: The final answer is $[1,2)$. I hope it is correct.')).toMatchObject({
    others: { minerva: 0, minerva_text: 0, minerva_undecided: 1 },
  });
});
