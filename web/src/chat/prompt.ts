/** The messages of a request, from what is on the page. */
import type { ChatMessage } from '../api/client.js';
import { withAttachments } from '../conversation/attachments.js';
import type { Message } from '../conversation/conversation.js';
import { withoutThinking } from '../conversation/thinking.js';

/**
 * Answers without text are left out, and what then meets of one speaker is joined: templates want the roles in turn. What the
 * model thought for earlier answers is not given back to it; of an answer to go on with it stays.
 */
export function promptOf(system: string, path: readonly Message[]): ChatMessage[] {
  const messages: ChatMessage[] = system.trim() === '' ? [] : [{ role: 'system', content: system }];
  for (const [index, message] of path.entries()) {
    const { role } = message;
    const text =
      role === 'user'
        ? withAttachments(message.text, message.attachments)
        : index === path.length - 1
          ? message.text
          : withoutThinking(message.text);
    if (text === '') continue;
    // After an oldest turn that was deleted or left out: no template begins with an answer.
    if (role === 'assistant' && messages.every((other) => other.role === 'system') && index < path.length - 1)
      continue;
    const last = messages.at(-1);
    if (last?.role === role) messages[messages.length - 1] = { role, content: `${last.content}\n\n${text}` };
    else messages.push({ role, content: text });
  }
  return messages;
}
