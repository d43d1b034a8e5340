/** Where conversations are kept. Messages lie apart from conversations, so that a growing answer is one small write. */
import type { Conversation, Message, Persona } from './conversation.js';

export interface ConversationStorage {
  conversations(): Promise<Conversation[]>;
  messages(conversationId: string): Promise<Message[]>;
  /** Adds or replaces, all or nothing. */
  save(conversations: readonly Conversation[], messages: readonly Message[]): Promise<void>;
  removeMessages(ids: readonly string[]): Promise<void>;
  /** The conversation and its messages. */
  remove(conversationId: string): Promise<void>;
  /** Conversations with a message that contains the text, whatever the case. */
  search(text: string, signal: AbortSignal): Promise<ReadonlySet<string>>;
  personas(): Promise<Persona[]>;
  savePersona(persona: Persona): Promise<void>;
  removePersona(id: string): Promise<void>;
  clear(): Promise<void>;
}

/** Until the page is left: for browsers that keep nothing, and for tests. */
export class MemoryStorage implements ConversationStorage {
  readonly #conversations = new Map<string, Conversation>();
  readonly #messages = new Map<string, Message>();
  readonly #personas = new Map<string, Persona>();

  async conversations(): Promise<Conversation[]> {
    return [...this.#conversations.values()];
  }

  async messages(conversationId: string): Promise<Message[]> {
    return [...this.#messages.values()].filter((message) => message.conversationId === conversationId);
  }

  async save(conversations: readonly Conversation[], messages: readonly Message[]): Promise<void> {
    for (const conversation of conversations) this.#conversations.set(conversation.id, conversation);
    for (const message of messages) this.#messages.set(message.id, message);
  }

  async removeMessages(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#messages.delete(id);
  }

  async remove(conversationId: string): Promise<void> {
    this.#conversations.delete(conversationId);
    for (const { id } of await this.messages(conversationId)) this.#messages.delete(id);
  }

  async search(text: string): Promise<ReadonlySet<string>> {
    const wanted = text.toLowerCase();
    const found = [...this.#messages.values()].filter((message) =>
      message.text.toLowerCase().includes(wanted),
    );
    return new Set(found.map(({ conversationId }) => conversationId));
  }

  async personas(): Promise<Persona[]> {
    return [...this.#personas.values()];
  }

  async savePersona(persona: Persona): Promise<void> {
    this.#personas.set(persona.id, persona);
  }

  async removePersona(id: string): Promise<void> {
    this.#personas.delete(id);
  }

  async clear(): Promise<void> {
    this.#conversations.clear();
    this.#messages.clear();
    this.#personas.clear();
  }
}
