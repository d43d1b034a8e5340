/** One choice of a chat response, built from the engine's events. */
import type { FinishReason, TextEvent } from '../../generation/index.js';
import type { AnswerForm } from './answer-form.js';
import { type ChatLogProbs, chatLogProbs } from './log-probs.js';
import { ReasoningReader } from './reasoning-reader.js';
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
  /** What the model thinks, before it answers. */
  readonly reasoning_content?: string;
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
  /** Default: none. */
  readonly thinking?: AnswerForm['thinking'] | undefined;
  readonly tokens: TokenTexts;
  readonly wantsLogProbs: boolean;
  readonly asTokenIds: boolean;
}

export class ChatChoice {
  readonly #options: ChatChoiceOptions;
  readonly #reader: ToolCallReader;
  readonly #thoughts: ReasoningReader;
  readonly #calls: ToolCall[] = [];
  readonly #logProbs: ChatLogProbs[] = [];
  readonly ids: number[] = [];
  #content = '';
  #reasoning = '';

  constructor(options: ChatChoiceOptions) {
    this.#options = options;
    this.#reader = new ToolCallReader(options.tools);
    this.#thoughts = new ReasoningReader(options.thinking ?? 'none');
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
    const parts = this.#thoughts.push(event.text);
    if (event.end !== undefined) parts.push(...this.#thoughts.end());
    const deltas = parts.flatMap(({ kind, text }) =>
      kind === 'reasoning' ? [this.#think(text)] : this.#reader.push(text).map((piece) => this.#take(piece)),
    );
    if (event.end !== undefined) deltas.push(...this.#reader.end().map((piece) => this.#take(piece)));
    return { deltas, logProbs };
  }

  get message(): {
    readonly role: 'assistant';
    readonly content: string | null;
    readonly reasoning_content?: string;
    readonly refusal: null;
    readonly tool_calls?: readonly ToolCall[];
  } {
    const hasCalls = this.#calls.length > 0;
    return {
      role: 'assistant',
      content: hasCalls && this.#content === '' ? null : this.#content,
      ...(this.#reasoning !== '' && { reasoning_content: this.#reasoning }),
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

  #think(text: string): ChatDelta {
    this.#reasoning += text;
    return { reasoning_content: text };
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
