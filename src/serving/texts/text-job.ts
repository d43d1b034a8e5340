/** What is done with long texts: tokenizing, rendering, decoding. Jobs are plain data, so that they can go to a thread. */
import type { ChatMessage } from '../../models/index.js';
import type { ChatTurn } from '../chat-prompt.js';
import type { RenderChatOptions, ServedModel } from '../served-model.js';

export type TextJob =
  | {
      readonly kind: 'encode';
      readonly text: string;
      readonly addSpecialTokens: boolean;
    }
  /** What a chat template made of a conversation. */
  | { readonly kind: 'rendered'; readonly text: string; readonly marked: string | undefined }
  | { readonly kind: 'chat'; readonly turns: readonly ChatTurn[]; readonly options: RenderChatOptions }
  /** Of a dialog whose oldest turns may be left out. */
  | { readonly kind: 'dialog'; readonly messages: readonly ChatMessage[]; readonly maxLength: number };

/** A decoded text is a job of its own: the result has another type. */
export interface DecodeJob {
  readonly kind: 'decode';
  readonly ids: readonly number[];
  readonly skipSpecialTokens: boolean;
}

/** @throws InputError for what cannot be rendered */
export function idsOfJob(job: TextJob, model: ServedModel): number[] {
  switch (job.kind) {
    case 'encode':
      return model.encode(job.text, job.addSpecialTokens);
    case 'rendered':
      return model.encodeRendered(job);
    case 'chat':
      return model.renderChat(job.turns, job.options);
    case 'dialog':
      return model.renderDialog(job.messages, job.maxLength);
    default:
      return job satisfies never;
  }
}

export function textOfJob({ ids, skipSpecialTokens }: DecodeJob, { tokenizer }: ServedModel): string {
  return tokenizer.decode(ids, { skipSpecialTokens });
}

/** Characters, or ids, that are looked at. */
export function sizeOfJob(job: TextJob | DecodeJob): number {
  switch (job.kind) {
    case 'encode':
    case 'rendered':
      return job.text.length;
    case 'chat':
      return job.turns.reduce((size, { content }) => size + content.length, 0);
    case 'dialog':
      return job.messages.reduce((size, { content }) => size + content.length, 0);
    case 'decode':
      return job.ids.length;
    default:
      return job satisfies never;
  }
}
