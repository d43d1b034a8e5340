/** Tasks that are measured again and again on a model that changes, as during training: their sets are read once, nothing is written. */
import { InputError } from '../../errors/index.js';
import type { LanguageModel } from '../model/language-model.js';
import { Problems } from '../problems.js';
import type { GradingTools } from '../task.js';
import { type AnswerMemory, askModel } from './answer-samples.js';
import { chanceOf } from './chance.js';
import type { EvaluationPlan, TaskPlan } from './evaluation-plan.js';
import { type LoadedTask, loadSamples } from './load-samples.js';
import { gradeSample, type Outcome } from './outcome.js';
import { metricsOf, summarise } from './summarise.js';

export interface SuiteTask {
  readonly plan: TaskPlan;
  readonly limit: number | undefined;
  readonly maxNewTokens: number | undefined;
}

export interface SuiteScore {
  readonly task: string;
  readonly metric: string;
  readonly score: number | null;
  readonly n: number;
  readonly stderr: number | null;
  readonly chance: number | null;
}

export class TaskSuite {
  readonly #tasks: readonly { readonly loaded: LoadedTask; readonly task: SuiteTask }[];

  private constructor(tasks: readonly { readonly loaded: LoadedTask; readonly task: SuiteTask }[]) {
    this.#tasks = tasks;
  }

  /** @throws InputError where a set is not there, or not of its form */
  static async load(tasks: readonly SuiteTask[], data: string): Promise<TaskSuite> {
    const all: { loaded: LoadedTask; task: SuiteTask }[] = [];
    for (const task of tasks) {
      const { name, isJudged } = task.plan.task;
      if (isJudged === true)
        throw new InputError(
          `${name} is scored by a judge, and there is none here; measure it with xinghe evaluate --judge.`,
        );
      const plan: EvaluationPlan = {
        tasks: [task.plan],
        data,
        limit: task.limit,
        output: '',
        overwrite: false,
        command: [],
      };
      all.push({ loaded: await loadSamples(task.plan, plan, undefined), task });
    }
    return new TaskSuite(all);
  }

  /** What is to be said of the sets, once. */
  notes(): string[] {
    return this.#tasks.flatMap(({ loaded: { plan, notes, problems } }) => [
      ...notes.map((note) => `${plan.task.name}: ${note}`),
      ...problems
        .list()
        .map(
          ({ reason, count, examples }) =>
            `${plan.task.name}: ${count} x ${reason}, the first: ${examples[0]?.message ?? ''}`,
        ),
    ]);
  }

  /**
   * @param onProgress called after each answer
   * @throws InterruptedError after SIGINT or SIGTERM
   */
  async measure(model: LanguageModel, tools: GradingTools, onProgress: () => void): Promise<SuiteScore[]> {
    const scores: SuiteScore[] = [];
    for (const { loaded, task } of this.#tasks)
      scores.push(...(await measureTask(loaded, task, { model, tools, onProgress })));
    return scores;
  }
}

async function measureTask(
  loaded: LoadedTask,
  { plan, maxNewTokens }: SuiteTask,
  {
    model,
    tools,
    onProgress,
  }: { readonly model: LanguageModel; readonly tools: GradingTools; readonly onProgress: () => void },
): Promise<SuiteScore[]> {
  const { task } = plan;
  // Nothing is kept: the model is another one each time.
  const memory: AnswerMemory = { answerOf: () => undefined, add: onProgress };
  const { answered } = await askModel(
    { ...loaded, problems: new Problems() },
    { model, journal: memory, maxNewTokens, failures: new Problems(), isQuiet: true },
  );
  const outcomes: Outcome[] = [];
  for (const [index, sample] of loaded.samples.entries()) {
    const given = answered[index] ?? { kind: 'missing' as const, reason: 'could not be asked' };
    outcomes.push(await gradeSample(sample, given, task.metric ?? 'acc', tools));
    onProgress();
  }
  const chance = chanceOf(loaded.samples);
  return summarise(task, outcomes, metricsOf(plan, outcomes)).map(({ metric, score, n, stderr }) => ({
    task: task.name,
    metric,
    score,
    n,
    stderr,
    chance,
  }));
}
