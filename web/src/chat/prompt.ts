/** The messages of a request, from what is on the page. */
import type { ChatMessage } from '../api/client.js';
import type { Message } from '../conversation/conversation.js';

/** Answers without text are left out, and what then meets of one speaker is joined: templates want the roles in turn. */
export function promptOf(system: string, path: readonly Message[]): ChatMessage[] {
  const messages: ChatMessage[] = system.trim() === '' ? [] : [{ role: 'system', content: system }];
  for (const { role, text } of path) {
    if (text === '') continue;
    const last = messages.at(-1);
    if (last?.role === role) messages[messages.length - 1] = { role, content: `${last.content}\n\n${text}` };
    else messages.push({ role, content: text });
  }
  return messages;
}
