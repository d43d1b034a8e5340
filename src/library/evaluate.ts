/** Evaluation sets on a model, as `xinghe evaluate`. */
import { type EvaluationResult, evaluateTasks, planTasks } from '../evaluation/index.js';
import { log } from '../log/index.js';
import type { FloatDType } from '../tensor/index.js';
import { openLocalModel } from './open-local-model.js';

/** What is measured, and how. */
export interface EvaluateOptions {
  /** Model folder or weight file. */
  readonly model: string;
  /** Names of published sets (`xinghe evaluate --help` lists them), YAML files of your own, folders of such. */
  readonly tasks: readonly string[];
  /** Holds a folder for each set; tasks of your own may bring their rows beside them. */
  readonly data?: string | undefined;
  /** Where results.json, samples.jsonl and the reports go. */
  readonly output: string;
  /** Worked examples before each question. Default: as the set is published. */
  readonly shots?: number | undefined;
  /** Thoughts before the answer, where a set has such a form. Default false. */
  readonly cot?: boolean | undefined;
  /** Compare the options, or let the answer be written. Default: as the set is published. */
  readonly mode?: 'loglikelihood' | 'generate' | undefined;
  /** Default: options are compared behind plain text, answers are written in the chat form where there is one. */
  readonly form?: 'chat' | 'plain' | undefined;
  /** Samples of each task at most. Default: all. */
  readonly limit?: number | undefined;
  /** test, val or dev. Default: as the set is published. */
  readonly split?: string | undefined;
  /** Tokens of a written answer at most. Default: as the set needs. */
  readonly maxNewTokens?: number | undefined;
  /** A config that does not lie beside the weights. */
  readonly config?: string | undefined;
  /** Default: the tokenizer in the model folder. */
  readonly tokenizer?: string | undefined;
  /** A LoRA adapter over the weights. */
  readonly adapter?: string | undefined;
  /** Compute in this dtype. Default: that of the weights. */
  readonly dtype?: FloatDType | undefined;
  /** `cpu`, `cuda`, … Default cpu. */
  readonly device?: string | undefined;
  /** CPU threads of this process. Default: all cores. */
  readonly threads?: number | undefined;
  /** As `LoadOptions.integerActivations`. Default none: the numbers are those of the weights. */
  readonly integerActivations?: 'auto' | 'int8' | 'none' | undefined;
  /** As `LoadOptions.chatTemplate`. */
  readonly chatTemplate?: string | undefined;
  /** The interpreter for sets that run code. Default python3. */
  readonly python?: string | undefined;
  /** Run what a model wrote without a sandbox where none works. Default false. */
  readonly runCodeUnsafely?: boolean | undefined;
  /** Begin anew where the output folder holds another evaluation. Default false. */
  readonly overwrite?: boolean | undefined;
}

/**
 * Runs the sets in this process, which does little else meanwhile; the same call goes on where it was interrupted.
 * @throws InputError for bad sets and options, results of another evaluation in the output folder; InterruptedError
 */
export async function evaluate({
  model: path,
  tasks: names,
  data,
  output,
  shots,
  cot = false,
  mode,
  form,
  limit,
  split,
  maxNewTokens,
  python,
  runCodeUnsafely,
  overwrite = false,
  config,
  tokenizer,
  chatTemplate,
  ...how
}: EvaluateOptions): Promise<EvaluationResult> {
  const model = openLocalModel({
    ...how,
    path,
    configPath: config,
    tokenizerPath: tokenizer,
    chat: { template: chatTemplate },
  });
  try {
    const { tasks, notes } = planTasks({
      task: names.join(','),
      preset: undefined,
      data,
      shots,
      isCot: cot,
      mode,
      form,
      forms: model.forms,
    });
    for (const note of notes) log(note);
    return await evaluateTasks(
      { tasks, data, split, limit, maxNewTokens, output, overwrite, command: process.argv },
      { kind: 'model', model },
      { python, runCodeUnsafely },
    );
  } finally {
    model.dispose();
  }
}
