/**
 * Guessing scores as guessing: a model of random weights by likelihood, and a writer of random letters by extraction, on the
 * choice questions of every shared set.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { LocalModel } from '../src/evaluation/index.js';
import type { LanguageModel } from '../src/evaluation/model/language-model.js';
import { promptText } from '../src/evaluation/model/prompt-text.js';
import { loadSamples } from '../src/evaluation/run/load-samples.js';
import { planTasks } from '../src/evaluation/run/plan-tasks.js';
import { runEvaluation } from '../src/evaluation/run/run-evaluation.js';
import type { ScoringMode } from '../src/evaluation/task.js';
import { loadModel, loadModelTokenizer } from '../src/models/index.js';
import { FakeModel } from './support/evaluation-sets.js';
import { casesOf } from './support/long-suite.js';
import { requiresShared } from './support/requires.js';
import { sharedData } from './support/shared-data.js';
import { writeTinyModel } from './support/tiny-model.js';

const data = sharedData('eval') ?? '';
const output = mkdtempSync(join(tmpdir(), 'xinghe-chance-'));
const path = await writeTinyModel('guessing', { max_position_embeddings: 4096 });
const loaded = loadModel(path);
afterAll(() => {
  rmSync(output, { recursive: true, force: true });
  loaded.model.dispose();
});

const SETS = [
  'mmlu',
  'cmmlu',
  'financeiq',
  'agieval',
  'arc-easy',
  'arc-challenge',
  'gaokao-bench',
  'gaokao-english',
  'hellaswag',
];
const LIMIT = 160;
/** Of the normal distribution, two-sided 99.9 %: with a dozen and a half tests one in 60 would fail by chance at 95 % already. */
const Z = 3.29;

/** A model without parameters would do as well; this one depends on what it reads. */
function randomModel(): LanguageModel {
  const tokenizer = loadModelTokenizer(loaded.architecture, path);
  const identity = { path, model: {}, tokenizer: null, adapter: null, dtype: null };
  return new LocalModel({ loaded, tokenizer, identity, stopTokenIds: [] });
}

/** Letters by a fixed row of numbers, in the forms in which models give them. */
function randomWriter(): LanguageModel {
  let state = 12345;
  const below = (count: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * count);
  };
  const forms = [
    (letter: string) => `The answer is ${letter}.`,
    (letter: string) => `【答案】${letter}<eoa>`,
    (letter: string) => `答案：${letter}`,
    (letter: string) => ` ${letter}\n`,
  ];
  return new FakeModel((question, index, { onAnswer }) => {
    const text = promptText(question.prompt);
    const asked = text.slice(-1500);
    // As many letters as the question has options.
    const options = [...'ABCDE'].filter((letter) =>
      new RegExp(`(^|[\\s(（])${letter}[.．、)）:：]`, 'm').test(asked),
    );
    const letter = options[below(options.length)] ?? 'ABCD'[below(4)] ?? 'A';
    const form = forms[/[\u4e00-\u9fff]/.test(text) ? 1 + below(2) : 0] ?? forms[3];
    onAnswer(index, { prompt: text, ids: null, droppedShots: 0, output: form?.(letter) ?? letter });
  });
}

async function guess(task: string, mode: ScoringMode, model: LanguageModel) {
  const { tasks } = planTasks({
    task,
    preset: { tasks: [], shots: {}, isSingleChoiceOnly: true },
    data,
    shots: undefined,
    isCot: false,
    mode,
    form: 'plain',
    forms: model.forms,
  });
  // Without examples: the tiny model reads faster, and guesses as well.
  const plan = {
    tasks: tasks.map((each) => ({ ...each, shots: 0 })),
    data,
    limit: LIMIT,
    output: join(output, `${task}-${mode}`),
    overwrite: true,
    command: [],
  };
  const { results } = await runEvaluation(
    plan,
    { kind: 'model', model },
    { runProgram: () => Promise.reject(new Error('none')) },
  );
  const [own] = plan.tasks;
  if (own === undefined) throw new Error('no task');
  const { samples } = await loadSamples(own, plan, undefined);
  const shares = samples.map(({ choices = [], maxPoints = 1 }) =>
    choices.reduce((share, { continuations }) => share / continuations.length, maxPoints),
  );
  const possible = samples.reduce((sum, { maxPoints = 1 }) => sum + maxPoints, 0);
  const chance = shares.reduce((sum, share) => sum + share, 0) / possible;
  const weights = samples.reduce((sum, { maxPoints = 1 }) => sum + maxPoints ** 2, 0) / possible ** 2;
  return { results, chance, half: Z * Math.sqrt(chance * (1 - chance) * weights), n: samples.length };
}

// One that is asked by letters, and one by whole texts.
describe.each(casesOf(SETS, (name) => name === 'cmmlu' || name === 'arc-easy'))(
  '%s',
  requiresShared(sharedData('eval')),
  (task) => {
    test('by likelihood, a model of random weights', { timeout: 240_000 }, async () => {
      const model = randomModel();
      const { results, chance, half, n } = await guess(task, 'loglikelihood', model);
      model.dispose();
      // Sums of whole texts favour the shortest option, which in ARC-Easy is right in 38 %: by characters it is a guess.
      const isOfTexts = results.some(({ metric }) => metric === 'acc_norm');
      for (const { metric, averages, score } of results.filter((entry) =>
        [isOfTexts ? 'acc_norm' : 'acc', 'points'].includes(entry.metric),
      ))
        expect(
          Math.abs((averages?.samples ?? score ?? 0) - chance),
          `${metric} of ${n}: ${score}, chance ${chance}`,
        ).toBeLessThan(half);
      expect(n).toBeGreaterThan(3);
    });

    test('by extraction, a writer of random letters', async () => {
      const { results, chance, half, n } = await guess(task, 'generate', randomWriter());
      const [{ averages, score } = { score: 0 }] = results;
      expect(
        Math.abs((averages?.samples ?? score ?? 0) - chance),
        `${n}: ${score}, chance ${chance}`,
      ).toBeLessThan(half);
    });
  },
);
