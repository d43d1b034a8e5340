/**
 * Storage that never fails its caller: what the browser does not take (its storage is full, closed, or never answers) lies
 * in memory and is offered to it again at every change.
 */
import { Observable } from '../state/observable.js';
import type { Conversation, Message, Persona } from './conversation.js';
import type { ConversationStorage } from './storage.js';

/** `not-open`: the browser keeps nothing for this page. `not-written`: it did not take the last changes. */
export type StorageFault = 'not-open' | 'not-written';

/**
 * An IndexedDB of a browser in trouble may be silent for ever. A question waits for the first two; a read that is given up
 * would look like an empty list, so it has long.
 */
const WAITS = { openMs: 3000, writeMs: 5000, readMs: 30_000 };

/** null: removed. */
type Held<T> = Map<string, T | null>;

export class LastingStorage implements ConversationStorage {
  readonly fault = new Observable<StorageFault | undefined>(undefined);
  readonly #opening: Promise<ConversationStorage>;
  readonly #waits: typeof WAITS;
  readonly #conversations: Held<Conversation> = new Map();
  readonly #messages: Held<Message> = new Map();
  readonly #personas: Held<Persona> = new Map();
  /** Everything of before is to go. */
  #isCleared = false;
  #writing: Promise<void> | undefined;

  constructor(opening: Promise<ConversationStorage>, waits = WAITS) {
    this.#opening = opening;
    this.#waits = waits;
    within(opening, waits.openMs).catch(() => this.fault.set('not-open'));
    // It came late: what was kept in memory meanwhile goes there.
    opening.then(
      () => {
        if (this.fault.value === 'not-open') void this.#write();
      },
      () => {},
    );
  }

  conversations(): Promise<Conversation[]> {
    return this.#readAll((inner) => inner.conversations(), this.#conversations);
  }

  async messages(conversationId: string): Promise<Message[]> {
    const isGone = this.#conversations.get(conversationId) === null;
    const all = await this.#readAll((inner) => inner.messages(conversationId), this.#messages, isGone);
    return all.filter((message) => message.conversationId === conversationId);
  }

  personas(): Promise<Persona[]> {
    return this.#readAll((inner) => inner.personas(), this.#personas);
  }

  save(conversations: readonly Conversation[], messages: readonly Message[]): Promise<void> {
    for (const conversation of conversations) this.#conversations.set(conversation.id, conversation);
    for (const message of messages) this.#messages.set(message.id, message);
    return this.#written();
  }

  removeMessages(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#messages.set(id, null);
    return this.#written();
  }

  remove(conversationId: string): Promise<void> {
    this.#conversations.set(conversationId, null);
    for (const [id, message] of this.#messages)
      if (message?.conversationId === conversationId) this.#messages.delete(id);
    return this.#written();
  }

  savePersona(persona: Persona): Promise<void> {
    this.#personas.set(persona.id, persona);
    return this.#written();
  }

  removePersona(id: string): Promise<void> {
    this.#personas.set(id, null);
    return this.#written();
  }

  clear(): Promise<void> {
    this.#isCleared = true;
    for (const held of [this.#conversations, this.#messages, this.#personas]) held.clear();
    return this.#written();
  }

  async search(text: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
    const wanted = text.toLowerCase();
    const found = new Set(await this.#read((inner) => inner.search(text, signal), new Set<string>()));
    for (const message of this.#messages.values())
      if (message?.text.toLowerCase().includes(wanted) === true) found.add(message.conversationId);
    for (const [id, conversation] of this.#conversations) if (conversation === null) found.delete(id);
    return found;
  }

  async #readAll<T extends { readonly id: string }>(
    read: (inner: ConversationStorage) => Promise<T[]>,
    held: Held<T>,
    isGone = false,
  ): Promise<T[]> {
    const kept = isGone ? [] : await this.#read(read, []);
    const all = new Map(kept.map((entry) => [entry.id, entry]));
    for (const [id, entry] of held)
      if (entry === null) all.delete(id);
      else all.set(id, entry);
    return [...all.values()];
  }

  async #read<T>(read: (inner: ConversationStorage) => Promise<T>, otherwise: T): Promise<T> {
    if (this.#isCleared || this.fault.value === 'not-open') return otherwise;
    try {
      const inner = await within(this.#opening, this.#waits.openMs);
      return await within(read(inner), this.#waits.readMs);
    } catch {
      return otherwise;
    }
  }

  /** Waits until the browser has it, but not where it is known to be in trouble. */
  async #written(): Promise<void> {
    const writing = this.#write();
    if (this.fault.value !== undefined) return;
    try {
      await within(writing, this.#waits.writeMs);
    } catch {
      this.fault.set(this.fault.value ?? 'not-written');
    }
  }

  /** One after another, each with all that is held by then. Never rejects. */
  #write(): Promise<void> {
    const before = this.#writing;
    const writing = (async () => {
      await before;
      const inner = await this.#opening.catch(() => undefined);
      if (inner === undefined) return;
      try {
        await this.#writeHeld(inner);
        this.fault.set(undefined);
      } catch {
        this.fault.set('not-written');
      }
    })();
    this.#writing = writing;
    return writing;
  }

  async #writeHeld(inner: ConversationStorage): Promise<void> {
    if (this.#isCleared) {
      await inner.clear();
      this.#isCleared = false;
    }
    const conversations = [...this.#conversations];
    const messages = [...this.#messages];
    const personas = [...this.#personas];
    // What goes makes room for what comes.
    for (const [id, conversation] of conversations) if (conversation === null) await inner.remove(id);
    const goneMessages = messages.flatMap(([id, message]) => (message === null ? [id] : []));
    if (goneMessages.length > 0) await inner.removeMessages(goneMessages);
    const newConversations = present(conversations);
    const newMessages = present(messages);
    if (newConversations.length > 0 || newMessages.length > 0)
      await inner.save(newConversations, newMessages);
    for (const [id, persona] of personas)
      await (persona === null ? inner.removePersona(id) : inner.savePersona(persona));
    letGo(this.#conversations, conversations);
    letGo(this.#messages, messages);
    letGo(this.#personas, personas);
  }
}

function present<T>(entries: readonly (readonly [string, T | null])[]): T[] {
  return entries.flatMap(([, value]) => (value === null ? [] : [value]));
}

/** What was changed again meanwhile stays. */
function letGo<T>(held: Held<T>, written: readonly (readonly [string, T | null])[]): void {
  for (const [id, value] of written) if (held.get(id) === value) held.delete(id);
}

function within<T>(work: Promise<T>, milliseconds: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer')), milliseconds);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
