/** Accuracy on multiple-choice questions: the most probable answer counts. */
import type { CausalLm } from '../models/index.js';
import { type LogLikelihoodOptions, logLikelihoods } from './log-likelihood.js';

export interface MultipleChoiceItem {
  /** Ids of the prompt, up to where the answer begins. */
  readonly prompt: readonly number[];
  /** Ids of each possible answer. */
  readonly options: readonly (readonly number[])[];
  /** Index of the right one. */
  readonly answer: number;
}

export interface MultipleChoiceResult {
  readonly correct: number;
  readonly total: number;
  /** Mean of 1 / number of options. */
  readonly chance: number;
  /** The chosen option of each item. */
  readonly predictions: readonly number[];
}

/** Scores by the sum of log-probabilities of the answer's tokens; the first of equals counts. */
export function scoreMultipleChoice(
  model: CausalLm,
  items: readonly MultipleChoiceItem[],
  options: LogLikelihoodOptions = {},
): MultipleChoiceResult {
  const scores = logLikelihoods(
    model,
    items.flatMap(({ prompt, options: answers }) =>
      answers.map((continuation) => ({ context: prompt, continuation })),
    ),
    options,
  );
  let next = 0;
  const predictions = items.map(({ options: answers }) => {
    const own = scores.slice(next, next + answers.length);
    next += answers.length;
    return own.indexOf(Math.max(...own));
  });
  return {
    correct: items.filter(({ answer }, index) => predictions[index] === answer).length,
    total: items.length,
    chance: items.reduce((sum, item) => sum + 1 / item.options.length, 0) / Math.max(items.length, 1),
    predictions,
  };
}
