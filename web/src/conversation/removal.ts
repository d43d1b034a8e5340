/** Taking a message out of a thread. Pure. */
import { Branches } from './branches.js';
import type { Conversation, Message, Thread } from './conversation.js';

export interface Removal {
  /** Of the messages that go. */
  readonly gone: readonly string[];
  /** Messages that hang on another one now. */
  readonly moved: readonly Message[];
  readonly conversation: Conversation;
}

/**
 * The only message of its place goes alone (a question with its answers), and what followed moves up. One of several
 * versions goes with all that followed it: under another version it would make no sense.
 */
export function removalOf(thread: Thread, message: Message): Removal {
  const branches = new Branches(thread);
  const parent = message.parent !== null && thread.messages.has(message.parent) ? message.parent : null;
  const isOneOfSeveral = branches.children(parent).length > 1;
  const gone = new Set<string>([message.id]);
  const moved: Message[] = [];
  const walk = (id: string, goesToo: (child: Message) => boolean): void => {
    for (const child of branches.children(id))
      if (gone.has(child.id))
        continue; // An imported file could hold a circle.
      else if (goesToo(child)) {
        gone.add(child.id);
        walk(child.id, goesToo);
      } else moved.push({ ...child, parent });
  };
  walk(message.id, ({ role }) => isOneOfSeveral || (message.role === 'user' && role === 'assistant'));
  const { readsFrom, selected } = thread.conversation;
  const isReadFromGone = readsFrom !== undefined && gone.has(readsFrom);
  const next = branches.path().find(({ id }) => moved.some((other) => other.id === id));
  const choices = Object.entries(selected).filter(([place, choice]) => !gone.has(place) && !gone.has(choice));
  return {
    gone: [...gone],
    moved,
    conversation: {
      ...thread.conversation,
      readsFrom: isReadFromGone ? next?.id : readsFrom,
      selected: {
        ...Object.fromEntries(choices),
        ...(next !== undefined && { [parent ?? '']: next.id }),
      },
    },
  };
}

export function withoutMessages(thread: Thread, { gone, moved, conversation }: Removal): Thread {
  const messages = new Map(thread.messages);
  for (const id of gone) messages.delete(id);
  for (const message of moved) messages.set(message.id, message);
  return { conversation, messages };
}
