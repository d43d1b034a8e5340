/** Prompts and options as ids of a local model. */
import { InputError } from '../../errors/index.js';
import type { ChatFormat } from '../../models/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import type { Prompt } from '../task.js';
import { promptMessages, promptText, withoutSystem } from './prompt-text.js';

export interface EncodedPrompt {
  readonly text: string;
  readonly ids: readonly number[];
}

export class PromptEncoder {
  readonly #tokenizer: Tokenizer;
  readonly #chat: ChatFormat | undefined;
  /** Ids that the tokenizer puts in front of every text. */
  readonly #leading: readonly number[];

  /** @param chat undefined: prompts are plain text */
  constructor(tokenizer: Tokenizer, chat: ChatFormat | undefined) {
    this.#tokenizer = tokenizer;
    this.#chat = chat;
    const [first] = tokenizer.encode('a', { addSpecialTokens: true });
    this.#leading = first !== undefined && first === tokenizer.bosTokenId ? [first] : [];
  }

  prompt(prompt: Prompt): EncodedPrompt {
    if (this.#chat === undefined) {
      const text = promptText(prompt);
      const ids = [...this.#leading, ...this.#tokenizer.encode(text)];
      return { text, ids: ids.length > 0 ? ids : this.#anyStart() };
    }
    const ids = this.#chatIds(this.#chat, prompt);
    return { text: this.#tokenizer.decode(ids, { skipSpecialTokens: false }), ids };
  }

  /** A text without any id still needs something that its first token follows. */
  #anyStart(): readonly number[] {
    const id = this.#tokenizer.bosTokenId ?? this.#tokenizer.eosTokenId;
    if (id === undefined)
      throw new InputError('a prompt without tokens, and the tokenizer has no token that begins one');
    return [id];
  }

  #chatIds(chat: ChatFormat, prompt: Prompt): number[] {
    try {
      return chat.renderPrompt(promptMessages(prompt), this.#tokenizer);
    } catch (error) {
      // Some chat forms have no system message.
      if (!(error instanceof InputError) || prompt.system === undefined) throw error;
      return chat.renderPrompt(promptMessages(withoutSystem(prompt)), this.#tokenizer);
    }
  }

  /**
   * An option behind a prompt. Plain text is encoded as a whole and cut where the prompt's own ids end, as
   * lm-evaluation-harness does, with blanks at the end of the prompt taken for the option's.
   */
  option(
    prompt: EncodedPrompt,
    continuation: string,
  ): { readonly context: readonly number[]; readonly ids: readonly number[] } {
    if (this.#chat !== undefined)
      return { context: prompt.ids, ids: this.#tokenizer.encode(continuation.trimStart()) };
    const own = [...this.#leading, ...this.#tokenizer.encode(prompt.text.trimEnd())];
    const whole = [...this.#leading, ...this.#tokenizer.encode(prompt.text + continuation)];
    return own.length > 0
      ? { context: own, ids: whole.slice(own.length) }
      : { context: this.#anyStart(), ids: whole };
  }
}
