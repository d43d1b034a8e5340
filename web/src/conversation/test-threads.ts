/** Small threads for tests. */
import type { Message, Thread } from './conversation.js';

/** An answer where the id begins with `a`, else a question. */
export function message(id: string, parent: string | null, createdAt = 0): Message {
  const role = id.startsWith('a') ? 'assistant' : 'user';
  return { id, conversationId: 'c', parent, role, text: `text of ${id}`, createdAt };
}

export function thread(...messages: Message[]): Thread {
  return {
    conversation: {
      id: 'c',
      title: '天空',
      isTitleChosen: false,
      createdAt: 1,
      updatedAt: 2,
      system: '',
      personaId: null,
      model: null,
      comparedModel: null,
      sampling: {},
      selected: {},
    },
    messages: new Map(messages.map((entry) => [entry.id, entry])),
  };
}
