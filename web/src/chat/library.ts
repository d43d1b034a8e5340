/** All saved conversations, messages and personas. */
import type { Conversation, Message, Persona, Thread } from '../conversation/conversation.js';
import { fromJson, toJson } from '../conversation/export-file.js';
import type { ConversationStorage } from '../conversation/storage.js';
import { Observable } from '../state/observable.js';

export class Library {
  /** The one that was spoken in last comes first. */
  readonly conversations = new Observable<readonly Conversation[]>([]);
  readonly personas = new Observable<readonly Persona[]>([]);
  readonly #storage: ConversationStorage;

  constructor(storage: ConversationStorage) {
    this.#storage = storage;
  }

  /** Reads anew what another tab may have changed. */
  async refresh(): Promise<void> {
    this.personas.set(await this.#storage.personas());
    this.conversations.set(inListOrder(await this.#storage.conversations()));
  }

  find(id: string): Conversation | undefined {
    return this.conversations.value.find((known) => known.id === id);
  }

  /** undefined: there is no such conversation. */
  async load(id: string): Promise<Thread | undefined> {
    const conversation = this.find(id);
    if (conversation === undefined) return undefined;
    const messages = await this.#storage.messages(id);
    return { conversation, messages: new Map(messages.map((message) => [message.id, message])) };
  }

  async keep(conversation: Conversation): Promise<void> {
    this.conversations.update((all) =>
      inListOrder([conversation, ...all.filter(({ id }) => id !== conversation.id)]),
    );
    await this.#storage.save([conversation], []);
  }

  async keepMessages(messages: readonly Message[]): Promise<void> {
    await this.#storage.save([], messages);
  }

  async remove(id: string): Promise<void> {
    // First here: an answer that ends now must not be kept any more.
    this.conversations.update((all) => all.filter((other) => other.id !== id));
    await this.#storage.remove(id);
  }

  async removeMessages(ids: readonly string[]): Promise<void> {
    await this.#storage.removeMessages(ids);
  }

  async removeAll(): Promise<void> {
    this.conversations.set([]);
    this.personas.set([]);
    await this.#storage.clear();
  }

  /** Conversations with a message that contains the text. */
  search(text: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
    return this.#storage.search(text, signal);
  }

  async exportAll(): Promise<string> {
    const threads = await Promise.all(this.conversations.value.map(({ id }) => this.load(id)));
    return toJson(
      threads.filter((thread) => thread !== undefined),
      this.personas.value,
    );
  }

  /** @returns how many conversations came in. @throws ImportError */
  async importFile(text: string): Promise<number> {
    const { threads, personas } = fromJson(text);
    await this.#storage.save(
      threads.map(({ conversation }) => conversation),
      threads.flatMap(({ messages }) => [...messages.values()]),
    );
    for (const persona of personas) await this.#storage.savePersona(persona);
    await this.refresh();
    return threads.length;
  }

  async savePersona(persona: Persona): Promise<void> {
    await this.#storage.savePersona(persona);
    this.personas.set(await this.#storage.personas());
  }

  async removePersona(id: string): Promise<void> {
    await this.#storage.removePersona(id);
    this.personas.set(await this.#storage.personas());
  }
}

function inListOrder(conversations: readonly Conversation[]): Conversation[] {
  return [...conversations].sort((a, b) => b.updatedAt - a.updatedAt);
}
