/** The tree of a thread: which messages are shown, which versions there are, and how it grows. All pure. */
import type { Message, Thread } from './conversation.js';

/** One place of the conversation: a message, or two answers side by side. */
export interface Turn {
  /** The chosen one, with which the conversation goes on. */
  readonly message: Message;
  /** More than one only in a comparison; in order of asking. */
  readonly shown: readonly Message[];
  /** Which of the versions of this place is shown, from 0, and how many there are. */
  readonly version: number;
  readonly versions: readonly Message[];
}

const slot = (parent: string | null): string => parent ?? '';

export class Branches {
  readonly #thread: Thread;
  readonly #children = new Map<string, Message[]>();

  constructor(thread: Thread) {
    this.#thread = thread;
    for (const message of thread.messages.values()) {
      const parent = slot(this.#parentOf(message));
      const siblings = this.#children.get(parent);
      if (siblings === undefined) this.#children.set(parent, [message]);
      else siblings.push(message);
    }
    for (const siblings of this.#children.values()) siblings.sort(inOrder);
  }

  children(parent: string | null): readonly Message[] {
    return this.#children.get(slot(parent)) ?? [];
  }

  /** Of a file that lost a message, what hung on it counts as first. */
  #parentOf({ parent }: Message): string | null {
    return parent !== null && this.#thread.messages.has(parent) ? parent : null;
  }

  /** The chosen message after `parent`. */
  chosen(parent: string | null): Message | undefined {
    const siblings = this.children(parent);
    const id = this.#thread.conversation.selected[slot(parent)];
    return siblings.find((message) => message.id === id) ?? siblings.at(-1);
  }

  /** From the first message to the last, along what is chosen. */
  path(): Message[] {
    const path: Message[] = [];
    const seen = new Set<string>(); // An imported file could hold a circle.
    for (
      let next = this.chosen(null);
      next !== undefined && !seen.has(next.id);
      next = this.chosen(next.id)
    ) {
      path.push(next);
      seen.add(next.id);
    }
    return path;
  }

  /** From the first message to this one. */
  pathTo(id: string): Message[] {
    const path: Message[] = [];
    const seen = new Set<string>();
    let next = this.#thread.messages.get(id);
    while (next !== undefined && !seen.has(next.id)) {
      path.unshift(next);
      seen.add(next.id);
      next = next.parent === null ? undefined : this.#thread.messages.get(next.parent);
    }
    return path;
  }

  turns(): Turn[] {
    return this.path().map((message) => {
      const siblings = this.children(this.#parentOf(message));
      const isShownWith = (other: Message): boolean =>
        other === message || (message.comparison !== undefined && other.comparison === message.comparison);
      // A comparison is one version, whichever of its answers is chosen.
      const versions = siblings.filter(
        (other) =>
          other === message ||
          (!isShownWith(other) &&
            (other.comparison === undefined ||
              siblings.find((first) => first.comparison === other.comparison) === other)),
      );
      return {
        message,
        shown: siblings.filter(isShownWith),
        version: versions.indexOf(message),
        versions,
      };
    });
  }
}

function inOrder(a: Message, b: Message): number {
  return a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1);
}

/** Adds the message, or replaces it, and leaves what is chosen. */
export function withMessage(thread: Thread, message: Message): Thread {
  return { ...thread, messages: new Map(thread.messages).set(message.id, message) };
}

export function withChoice(thread: Thread, parent: string | null, id: string): Thread {
  const { conversation } = thread;
  const selected = { ...conversation.selected, [slot(parent)]: id };
  return { ...thread, conversation: { ...conversation, selected } };
}
