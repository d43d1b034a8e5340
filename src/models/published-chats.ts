/** The chat formats that were published as programs, not as chat templates, by the name of their family. */
import type { ChatFormat } from './chat-format.js';
import { sparkChat } from './spark/chat-format.js';
import { telechatChat } from './telechat/chat-format.js';
import { telechat52bChat } from './telechat52b/chat-format.js';
import { xverseChat } from './xverse/chat-format.js';

type MakeChat = (endTokenIds: readonly number[]) => ChatFormat;

const PUBLISHED = {
  spark: () => sparkChat,
  telechat: () => telechatChat,
  telechat52b: () => telechat52bChat,
  xverse: xverseChat,
} satisfies Record<string, MakeChat>;

export type PublishedChat = keyof typeof PUBLISHED;

export function isPublishedChat(name: string): name is PublishedChat {
  return Object.hasOwn(PUBLISHED, name);
}

export const PUBLISHED_CHATS: readonly PublishedChat[] = Object.keys(PUBLISHED).filter(isPublishedChat);

/** @param endTokenIds of the config or tokenizer, for a format that has no end mark of its own */
export function publishedChat(name: PublishedChat, endTokenIds: readonly number[]): ChatFormat {
  return PUBLISHED[name](endTokenIds);
}
