/** Two samples of the same texts are no duplicates where other answers of them are learned. */
import { learnedAnswers } from '../../models/index.js';
import type { Sample } from '../sample.js';

export interface LearnedOptions {
  /** The answers that are learned where a record does not say it. Default all. */
  readonly answers?: 'all' | 'last' | undefined;
}

/**
 * The answers whose being learned is not what the rule says, by their numbers: '' for none. So a record that says what the
 * rule says is equal to one that says nothing.
 */
export function learnedKey(sample: Sample, rule: 'all' | 'last'): string {
  if (sample.kind === 'text') return '';
  const plain = sample.messages.map(({ role, content }) => ({ role, content }));
  const byRule = learnedAnswers(plain, rule);
  return learnedAnswers(sample.messages, rule)
    .flatMap((isLearned, answer) => (isLearned === byRule[answer] ? [] : [answer]))
    .join(',');
}
