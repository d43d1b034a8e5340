/** An answer behind its prompt, as ids of a chat format. */
import { InputError } from '../../errors/index.js';
import type { ChatFormat, ChatMessage, TrainingIds } from '../../models/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import { locationOf, type SampleOrigin } from '../sample.js';

export interface PromptedAnswer {
  readonly prompt: readonly ChatMessage[];
  /** Of the assistant. */
  readonly answer: ChatMessage;
  readonly tools?: readonly unknown[] | undefined;
  readonly origin: SampleOrigin;
}

/** The answer alone is learned, whatever stands in the prompt. @throws InputError with file and line, as `renderTraining` */
export function encodeAnswer(
  { prompt, answer, tools, origin }: PromptedAnswer,
  chat: ChatFormat,
  tokenizer: Tokenizer,
): TrainingIds {
  try {
    return chat.renderTraining([...prompt, answer], tokenizer, { answers: 'last', tools });
  } catch (error) {
    if (error instanceof InputError) throw new InputError(`${locationOf(origin)}: ${error.message}`);
    throw error;
  }
}
