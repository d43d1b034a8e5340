/** Conversations in the browser's IndexedDB. */
import type { Conversation, Message, Persona } from './conversation.js';
import type { ConversationStorage } from './storage.js';

const NAME = 'xinghe';
const VERSION = 1;

/** @throws DOMException where the browser keeps nothing for this page */
export async function openIndexedDb(): Promise<ConversationStorage> {
  const opening = indexedDB.open(NAME, VERSION);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore('conversations', { keyPath: 'id' });
    opening.result
      .createObjectStore('messages', { keyPath: 'id' })
      .createIndex('conversationId', 'conversationId');
    opening.result.createObjectStore('personas', { keyPath: 'id' });
  };
  return new IndexedDbStorage(await answer(opening));
}

type StoreName = 'conversations' | 'messages' | 'personas';
const ALL: readonly StoreName[] = ['conversations', 'messages', 'personas'];

class IndexedDbStorage implements ConversationStorage {
  readonly #database: IDBDatabase;

  constructor(database: IDBDatabase) {
    this.#database = database;
    // A newer page in another tab wants to change the layout.
    database.onversionchange = () => database.close();
  }

  conversations(): Promise<Conversation[]> {
    return answer<Conversation[]>(this.#reading('conversations').getAll());
  }

  messages(conversationId: string): Promise<Message[]> {
    return answer<Message[]>(this.#reading('messages').index('conversationId').getAll(conversationId));
  }

  save(conversations: readonly Conversation[], messages: readonly Message[]): Promise<void> {
    return this.#change(['conversations', 'messages'], (store) => {
      for (const conversation of conversations) store('conversations').put(conversation);
      for (const message of messages) store('messages').put(message);
    });
  }

  removeMessages(ids: readonly string[]): Promise<void> {
    return this.#change(['messages'], (store) => {
      for (const id of ids) store('messages').delete(id);
    });
  }

  remove(conversationId: string): Promise<void> {
    return this.#change(['conversations', 'messages'], (store) => {
      store('conversations').delete(conversationId);
      const keys = store('messages').index('conversationId').getAllKeys(conversationId);
      keys.onsuccess = () => {
        for (const key of keys.result) store('messages').delete(key);
      };
    });
  }

  search(text: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
    const wanted = text.toLowerCase();
    const found = new Set<string>();
    return new Promise((resolve, reject) => {
      const walk: IDBRequest<IDBCursorWithValue | null> = this.#reading('messages').openCursor();
      walk.onerror = () => reject(walk.error);
      walk.onsuccess = () => {
        const cursor = walk.result;
        if (cursor === null || signal.aborted) {
          resolve(found);
          return;
        }
        const message: Message = cursor.value;
        if (!found.has(message.conversationId) && message.text.toLowerCase().includes(wanted))
          found.add(message.conversationId);
        cursor.continue();
      };
    });
  }

  personas(): Promise<Persona[]> {
    return answer<Persona[]>(this.#reading('personas').getAll());
  }

  savePersona(persona: Persona): Promise<void> {
    return this.#change(['personas'], (store) => {
      store('personas').put(persona);
    });
  }

  removePersona(id: string): Promise<void> {
    return this.#change(['personas'], (store) => {
      store('personas').delete(id);
    });
  }

  clear(): Promise<void> {
    return this.#change(ALL, (store) => {
      for (const name of ALL) store(name).clear();
    });
  }

  #reading(name: StoreName): IDBObjectStore {
    return this.#database.transaction(name).objectStore(name);
  }

  #change(
    names: readonly StoreName[],
    work: (store: (name: StoreName) => IDBObjectStore) => void,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const transaction = this.#database.transaction(names, 'readwrite');
      transaction.oncomplete = () => resolve();
      transaction.onerror = () => reject(transaction.error);
      transaction.onabort = () => reject(transaction.error);
      work((name) => transaction.objectStore(name));
    });
  }
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
