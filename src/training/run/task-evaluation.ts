/** What evaluation tasks score during a run. Who measures them is given: training knows no sets. */
import { InputError } from '../../errors/index.js';
import type { LoadedModel } from '../../models/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import type { TrainConfig } from './run-config.js';

export interface TaskScore {
  readonly task: string;
  readonly metric: string;
  /** 0 to 1, or bits; null where nothing can be said. */
  readonly score: number | null;
  readonly n: number;
  readonly stderr: number | null;
  /** What guessing would score; null where that is no question. */
  readonly chance: number | null;
}

export interface TaskEvaluator {
  /**
   * Scores of the model as it is now; changes nothing of it.
   * @param onProgress called again and again
   * @throws InterruptedError after a signal
   */
  measure(onProgress: () => void): Promise<readonly TaskScore[]>;
  dispose(): void;
}

export interface TaskEvaluatorOptions {
  readonly settings: NonNullable<TrainConfig['evaluation']>;
  readonly loaded: LoadedModel;
  readonly tokenizer: Tokenizer;
  readonly tokenizerPath: string;
  /** In which dialogues are trained, as Jinja; undefined: the model's own form. */
  readonly chatTemplate: string | undefined;
}

/** @throws InputError for unknown tasks, and sets that are not there or not of their form */
export type CreateTaskEvaluator = (options: TaskEvaluatorOptions) => Promise<TaskEvaluator>;

/** undefined where the configuration asks for none. @throws InputError where nobody can measure what it asks for */
export async function taskEvaluatorOf(
  { evaluation, training }: TrainConfig,
  create: CreateTaskEvaluator | undefined,
  options: Omit<TaskEvaluatorOptions, 'settings'>,
): Promise<TaskEvaluator | undefined> {
  if (evaluation?.tasks === undefined) return undefined;
  if (training.objective?.loss === 'reward')
    throw new InputError('evaluation.tasks: a reward model answers no questions; leave the tasks out.');
  if (create === undefined)
    throw new InputError(
      'evaluation.tasks: this run was started by a program that measures no tasks; start it with xinghe train.',
    );
  return create({ ...options, settings: evaluation });
}
