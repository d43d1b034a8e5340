/** What a chat template is given of a conversation, as transformers gives it. */
import type { TemplateValues } from '../../templates/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import type { ChatMessage } from '../chat-format.js';

export interface ConversationOptions {
  readonly tools?: readonly unknown[] | undefined;
  /** Ends where an answer begins. */
  readonly addGenerationPrompt: boolean;
  /** Further variables of the template, such as `enable_thinking`. */
  readonly values?: TemplateValues | undefined;
}

/** As templates are given them; an empty system message is none, as everywhere. */
export function shownMessages(
  messages: readonly ChatMessage[],
): readonly Readonly<Record<string, unknown>>[] {
  return messages
    .filter(({ role, content }) => role !== 'system' || content !== '')
    .map(({ role, content, more }) => ({ role, content, ...more }));
}

export function conversationValues(
  messages: readonly ChatMessage[],
  { tools, addGenerationPrompt, values }: ConversationOptions,
): TemplateValues {
  return {
    ...values,
    messages: shownMessages(messages),
    tools: tools ?? null,
    documents: null,
    add_generation_prompt: addGenerationPrompt,
  };
}

/** `bos_token` and its like, which are the template's own words. Those that the tokenizer has not are not defined. */
export function tokenValues(tokenizer: Tokenizer, endTokenId: number | undefined): TemplateValues {
  const text = (id: number | undefined): string | undefined =>
    id === undefined ? undefined : tokenizer.idToToken(id);
  return {
    bos_token: text(tokenizer.bosTokenId),
    eos_token: text(tokenizer.eosTokenId ?? endTokenId),
    unk_token: text(tokenizer.unkTokenId),
    pad_token: text(tokenizer.padTokenId),
  };
}
