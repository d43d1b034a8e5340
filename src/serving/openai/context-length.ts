/** Checks prompts and answers against the engine's maximum length. */
import { badRequest, type HttpError } from '../http/index.js';
import type { ServedModel } from '../served-model.js';

export interface LengthLimits {
  /** Prompt and answer together. */
  readonly maxModelLength: number;
  readonly model: ServedModel;
}

/** OpenAI's sentence: clients look for its words and numbers. */
function tooLong(limit: number, prompt: string, answer: number, param: string): HttpError {
  return badRequest(
    `This model's maximum context length is ${limit} tokens. However, you requested ${prompt} tokens in the ` +
      `${param} and ${answer} in the completion. Please reduce the length of the ${param} or of the completion.`,
    param,
    'context_length_exceeded',
  );
}

/** Refuses a text that cannot fit, whatever its tokens are, before the work of finding them. */
export function checkTextLength(text: string, { maxModelLength, model }: LengthLimits, param: string): void {
  const atLeast = Math.ceil(text.length / model.longestToken);
  if (atLeast > maxModelLength) throw tooLong(maxModelLength, `at least ${atLeast}`, 1, param);
}

/**
 * How many tokens the answer may have.
 * @param asked what the client wants; undefined: `fallback`, or less where the context ends
 * @throws HttpError 400 with the code context_length_exceeded
 */
export function answerLength(
  promptTokens: number,
  asked: number | undefined,
  fallback: number,
  maxModelLength: number,
  param: string,
): number {
  const room = maxModelLength - promptTokens;
  const length = asked ?? Math.min(fallback, room);
  if (length > room || (asked === undefined && room < 1))
    throw tooLong(maxModelLength, String(promptTokens), asked ?? 1, param);
  return length;
}
