/** What is to be evaluated: plain data that decides every number. */
import type { PromptForm } from '../model/language-model.js';
import type { ScoringMode, Task } from '../task.js';

export interface TaskPlan {
  readonly task: Task;
  readonly shots: number;
  readonly isShotsWanted: boolean;
  readonly isCot: boolean;
  readonly mode: ScoringMode;
  readonly form: PromptForm;
  readonly isSingleChoiceOnly: boolean;
}

export interface EvaluationPlan {
  readonly tasks: readonly TaskPlan[];
  /** The folder that holds a folder for each set; undefined: every task brings its own. */
  readonly data?: string | undefined;
  readonly split?: string | undefined;
  /** Samples of each task at most. */
  readonly limit?: number | undefined;
  readonly maxNewTokens?: number | undefined;
  /** Where results go. */
  readonly output: string;
  readonly overwrite: boolean;
  /** As typed, for the record. */
  readonly command: readonly string[];
}
