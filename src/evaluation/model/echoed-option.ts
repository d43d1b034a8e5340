/** The log-likelihood of an option in a completion that echoes its prompt. */
import { fieldOf } from '../../json/index.js';
import { characterCount } from '../graders/python-text.js';

/**
 * Sum over the tokens that reach beyond the context, up to the end of the option. @returns undefined where the answer has no
 * log-probabilities of the prompt
 */
export function echoedOption(
  answer: unknown,
  context: string,
  continuation: string,
): { readonly logLikelihood: number; readonly isGreedy: boolean } | undefined {
  const choices = fieldOf(answer, 'choices');
  const logProbs = fieldOf(Array.isArray(choices) ? choices[0] : undefined, 'logprobs');
  const values = fieldOf(logProbs, 'token_logprobs');
  const offsets = fieldOf(logProbs, 'text_offset');
  const tokens = fieldOf(logProbs, 'tokens');
  const tops = fieldOf(logProbs, 'top_logprobs');
  if (!Array.isArray(values) || !Array.isArray(offsets) || !Array.isArray(tokens)) return undefined;
  const from = characterCount(context.trimEnd());
  const to = characterCount(context + continuation);
  let [sum, count, isGreedy] = [0, 0, true];
  for (const [index, value] of values.entries()) {
    const [start, end]: readonly unknown[] = [offsets[index], offsets[index + 1] ?? to];
    if (typeof start !== 'number' || typeof end !== 'number' || start >= to || end <= from) continue;
    if (typeof value !== 'number') return undefined;
    sum += value;
    count += 1;
    if (!isLikeliest(Array.isArray(tops) ? tops[index] : undefined, value)) isGreedy = false;
  }
  return count === 0 ? undefined : { logLikelihood: sum, isGreedy };
}

/** No listed token is likelier. */
function isLikeliest(top: unknown, own: number): boolean {
  const others = typeof top === 'object' && top !== null ? Object.values(top) : [];
  return others.length > 0 && others.every((value) => typeof value === 'number' && value <= own);
}
