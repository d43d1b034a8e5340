/** What guessing would score. */
import type { Sample } from '../task.js';

/** The mean of one over the number of options; null unless each sample is one choice of which one option is right. */
export function chanceOf(samples: readonly Sample[]): number | null {
  if (samples.length === 0) return null;
  let sum = 0;
  for (const { choices = [], maxPoints } of samples) {
    const [choice] = choices;
    if (choices.length !== 1 || choice?.answer === undefined || maxPoints !== undefined) return null;
    sum += 1 / choice.continuations.length;
  }
  return sum / samples.length;
}
