/** One choice of a chat response, built from the engine's events. */
import type { FinishReason, TextEvent } from '../../generation/index.js';
import { type ChatLogProbs, chatLogProbs } from './log-probs.js';
import type { TokenTexts } from './token-texts.js';
import { ToolCallReader, type ToolCallReaderOptions } from './tool-call-reader.js';

/** As on the wire. */
export interface ToolCallDelta {
  readonly index: number;
  readonly id?: string;
  readonly type?: 'function';
  readonly function: { readonly name?: string; readonly arguments: string };
}

export interface ChatDelta {
  readonly role?: 'assistant';
  readonly content?: string;
  readonly tool_calls?: readonly ToolCallDelta[];
}

export interface ToolCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { name: string; arguments: string };
}

export type ChatFinishReason = FinishReason | 'tool_calls';

export interface ChatChoiceOptions {
  readonly tools: ToolCallReaderOptions;
  readonly tokens: TokenTexts;
  readonly wantsLogProbs: boolean;
  readonly asTokenIds: boolean;
}

export class ChatChoice {
  readonly #options: ChatChoiceOptions;
  readonly #reader: ToolCallReader;
  readonly #calls: ToolCall[] = [];
  readonly #logProbs: ChatLogProbs[] = [];
  readonly ids: number[] = [];
  #content = '';

  constructor(options: ChatChoiceOptions) {
    this.#options = options;
    this.#reader = new ToolCallReader(options.tools);
  }

  /** What an event adds, in the order in which it is to be sent. */
  push(event: Pick<TextEvent, 'text' | 'ids' | 'logProbs' | 'end'>): {
    readonly deltas: readonly ChatDelta[];
    readonly logProbs: readonly ChatLogProbs[];
  } {
    this.ids.push(...event.ids);
    const { tokens, asTokenIds, wantsLogProbs } = this.#options;
    const logProbs = wantsLogProbs
      ? (event.logProbs ?? []).map((entry) => chatLogProbs(entry, tokens, asTokenIds))
      : [];
    this.#logProbs.push(...logProbs);
    const pieces = this.#reader.push(event.text);
    if (event.end !== undefined) pieces.push(...this.#reader.end());
    return { deltas: pieces.map((piece) => this.#take(piece)), logProbs };
  }

  get message(): {
    readonly role: 'assistant';
    readonly content: string | null;
    readonly refusal: null;
    readonly tool_calls?: readonly ToolCall[];
  } {
    const hasCalls = this.#calls.length > 0;
    return {
      role: 'assistant',
      content: hasCalls && this.#content === '' ? null : this.#content,
      refusal: null,
      ...(hasCalls && { tool_calls: this.#calls }),
    };
  }

  get logProbs(): { readonly content: readonly ChatLogProbs[] } | null {
    return this.#options.wantsLogProbs ? { content: this.#logProbs } : null;
  }

  /** An answer that was cut within a call is cut all the same. */
  finishReason(reason: FinishReason): ChatFinishReason {
    return reason === 'stop' && this.#calls.length > 0 ? 'tool_calls' : reason;
  }

  #take(piece: ReturnType<ToolCallReader['push']>[number]): ChatDelta {
    switch (piece.kind) {
      case 'content':
        this.#content += piece.text;
        return { content: piece.text };
      case 'call': {
        const { index, id, name } = piece;
        this.#calls.push({ id, type: 'function', function: { name, arguments: '' } });
        return { tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] };
      }
      case 'arguments': {
        const call = this.#calls[piece.index];
        if (call !== undefined) call.function.arguments += piece.text;
        return { tool_calls: [{ index: piece.index, function: { arguments: piece.text } }] };
      }
      default:
        return piece satisfies never;
    }
  }
}
