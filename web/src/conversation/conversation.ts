/** Conversations as they are kept: plain data. Messages form a tree, so that edits and new answers lose nothing. */
import type { Failure } from '../api/errors.js';
import type { Sampling } from '../api/sampling.js';

/** How an answer stands. `cut-off`: the page was closed, or the connection lost, before its end. */
export type AnswerState = 'streaming' | 'complete' | 'stopped' | 'cut-off' | 'failed';

export interface AnswerFigures {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  readonly tokensPerSecond: number | undefined;
  /** From the request to the first text. */
  readonly firstTextMs: number | undefined;
}

/** A text file that came with a question. */
export interface Attachment {
  readonly name: string;
  readonly text: string;
  /** As the server counted them, or an estimate. */
  readonly tokens: number;
}

export type Rating = 'good' | 'bad';

export interface Message {
  readonly id: string;
  readonly conversationId: string;
  /** The message that it follows; null for the first. */
  readonly parent: string | null;
  readonly role: 'user' | 'assistant';
  readonly text: string;
  /** Milliseconds since 1970. Among messages of one parent it gives their order. */
  readonly createdAt: number;
  /** Questions only. */
  readonly attachments?: readonly Attachment[] | undefined;
  /** All below: answers only. */
  /** What the model thought before it answered, where the server sends it apart from the text. */
  readonly reasoning?: string | undefined;
  readonly rating?: Rating | undefined;
  /** The conversation's `readsFrom` when it was asked for. */
  readonly readsFrom?: string | undefined;
  readonly model?: string | undefined;
  readonly state?: AnswerState | undefined;
  readonly finishReason?: string | undefined;
  readonly figures?: AnswerFigures | undefined;
  readonly failure?: Failure | undefined;
  /** Answers of one parent with the same mark were asked for together and stand side by side. */
  readonly comparison?: string | undefined;
}

export interface Conversation {
  readonly id: string;
  readonly title: string;
  /** The user gave the title; else it follows the first question. */
  readonly isTitleChosen: boolean;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly system: string;
  /** Where the system text came from; it stays when the persona changes or goes. */
  readonly personaId: string | null;
  /** null: the first that the server has. */
  readonly model: string | null;
  /** A second model that answers beside it. */
  readonly comparedModel: string | null;
  readonly sampling: Sampling;
  /** It stands above the others in the list. Absent: it does not. */
  readonly isPinned?: boolean | undefined;
  /** The first message that the model still reads; older ones are left out. Absent: all are read. */
  readonly readsFrom?: string | undefined;
  /** Of each parent's messages the chosen one, '' standing for no parent. Default: the newest. */
  readonly selected: Readonly<Record<string, string>>;
}

export interface Persona {
  readonly id: string;
  readonly name: string;
  readonly system: string;
}

/** A conversation and all its messages. */
export interface Thread {
  readonly conversation: Conversation;
  readonly messages: ReadonlyMap<string, Message>;
}

/** Works without a secure context too, where crypto.randomUUID is absent (a page on a plain http address of a LAN). */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}

const TITLE_LENGTH = 40;

/** The first line of a question, without markup signs. */
export function titleFrom(question: string): string {
  const line = question.split('\n').find((text) => /[\p{L}\p{N}]/u.test(text)) ?? question;
  const characters = Array.from(line.replace(/^[\s#>*`-]+/, '').trim());
  return characters.length <= TITLE_LENGTH
    ? characters.join('')
    : `${characters.slice(0, TITLE_LENGTH - 1).join('')}…`;
}
