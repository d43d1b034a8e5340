/** An evaluation from its options to its files, as the command line makes one. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LanguageModel, PromptForm } from '../../src/evaluation/model/language-model.js';
import { planTasks } from '../../src/evaluation/run/plan-tasks.js';
import { readPredictions } from '../../src/evaluation/run/predictions.js';
import { type EvaluationResult, runEvaluation } from '../../src/evaluation/run/run-evaluation.js';
import type { ScoringMode } from '../../src/evaluation/task.js';

export interface EvaluationWishes {
  readonly task: string;
  readonly data?: string;
  readonly shots?: number;
  readonly mode?: ScoringMode;
  readonly form?: PromptForm;
  readonly limit?: number;
  readonly split?: string;
  /** Where everything is written. */
  readonly output: string;
}

export interface SampleLine {
  readonly task: string;
  readonly id: string;
  readonly prompt: string | null;
  readonly output: unknown;
  readonly extracted: unknown;
  readonly target: unknown;
  readonly correct: unknown;
  readonly loglikelihoods?: readonly number[];
  readonly scores?: Readonly<Record<string, number>>;
}

/** @param who a model, or recorded outputs */
export async function evaluateTasks(
  { task, data, shots, mode, form, limit, split, output }: EvaluationWishes,
  who: LanguageModel | readonly object[],
): Promise<EvaluationResult & { readonly lines: readonly SampleLine[] }> {
  const isModel = 'answer' in who;
  const { tasks } = planTasks({
    task,
    preset: undefined,
    data,
    shots,
    isCot: false,
    mode,
    form,
    forms: isModel ? who.forms : undefined,
  });
  const recorded = `${output}-predictions.jsonl`;
  if (!isModel) writeFileSync(recorded, who.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const result = await runEvaluation(
    { tasks, data, limit, split, output, overwrite: true, command: ['xinghe', 'evaluate'] },
    isModel
      ? { kind: 'model', model: who }
      : {
          kind: 'predictions',
          predictions: readPredictions(
            recorded,
            tasks.map((each) => each.task),
          ),
        },
    { runProgram: () => Promise.reject(new Error('no program here')) },
  );
  const lines = readFileSync(join(output, 'samples.jsonl'), 'utf8').trimEnd().split('\n');
  return { ...result, lines: lines.map((line): SampleLine => JSON.parse(line)) };
}
