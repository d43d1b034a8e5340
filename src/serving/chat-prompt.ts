/**
 * Conversations of the OpenAI API to the strict turns of the families' chat formats. Clients send several system messages,
 * two questions in a row, a greeting of the assistant first: all of that is rendered rather than refused.
 */
import { InputError } from '../errors/index.js';
import type { ChatFormat, ChatMessage } from '../models/index.js';
import { encodeLiterally, type Tokenizer } from '../tokenizers/index.js';

/** A message whose content is text; what is no text of the families' (tools) has become text before. */
export interface ChatTurn {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface FamilyChatOptions {
  readonly addGenerationPrompt?: boolean | undefined;
  readonly continueFinalMessage?: boolean | undefined;
  /** Names of special tokens within a message become these tokens. Default false. */
  readonly parsesSpecial?: boolean | undefined;
}

export function renderFamilyChat(
  format: ChatFormat,
  tokenizer: Tokenizer,
  turns: readonly ChatTurn[],
  { addGenerationPrompt = true, continueFinalMessage = false, parsesSpecial = false }: FamilyChatOptions,
): number[] {
  const last = turns.at(-1);
  if (last === undefined) throw new InputError('messages: there is none; give at least one.');
  if (continueFinalMessage) {
    if (last.role !== 'assistant')
      throw new InputError(
        `continue_final_message: the last message is the ${last.role}'s; it must be the assistant's.`,
      );
    // Apart from the question, as answers are in training.
    const prompt = format.renderPrompt(strictMessages(turns.slice(0, -1)), tokenizer, { parsesSpecial });
    const begun = parsesSpecial ? tokenizer.encode(last.content) : encodeLiterally(tokenizer, last.content);
    return [...prompt, ...begun];
  }
  if (addGenerationPrompt) return format.renderPrompt(strictMessages(turns), tokenizer, { parsesSpecial });
  if (last.role !== 'assistant')
    throw new InputError(
      'add_generation_prompt: false needs a conversation that ends with an assistant message; ' +
        "this model's chat format has no end for a question alone.",
    );
  return [...format.renderTraining(alternating(turns), tokenizer, { parsesSpecial }).ids];
}

/** Ends with a question: an empty one after an answer that is not to be continued. */
function strictMessages(turns: readonly ChatTurn[]): ChatMessage[] {
  const messages = alternating(turns);
  if (messages.at(-1)?.role !== 'user') messages.push({ role: 'user', content: '' });
  return messages;
}

/**
 * At most one system message, the first; then user and assistant in turns. Leading system messages become one; a later one
 * becomes part of the question beside it; neighbours of one role are joined by a newline.
 */
export function alternating(all: readonly ChatTurn[]): ChatMessage[] {
  // An empty system message is none, wherever it stands.
  const turns = all.filter(({ role, content }) => role !== 'system' || content !== '');
  const firstOther = turns.findIndex(({ role }) => role !== 'system');
  const leading = firstOther < 0 ? turns : turns.slice(0, firstOther);
  const messages: ChatMessage[] = [];
  if (leading.length > 0)
    messages.push({ role: 'system', content: leading.map(({ content }) => content).join('\n') });
  for (const { role, content } of firstOther < 0 ? [] : turns.slice(firstOther)) {
    const asked = role === 'assistant' ? 'assistant' : 'user';
    const previous = messages.at(-1);
    if (previous?.role === asked)
      messages[messages.length - 1] = { role: asked, content: `${previous.content}\n${content}` };
    else {
      if (asked === 'assistant' && previous?.role !== 'user') messages.push({ role: 'user', content: '' });
      messages.push({ role: asked, content });
    }
  }
  return messages;
}
