/** The state of the server: reachable or not, its models, their sampling defaults. */
import type { ApiClient, ModelInfo, ServerProperties } from '../api/client.js';
import { type Failure, failureOf, ServerError } from '../api/errors.js';
import { Observable } from '../state/observable.js';

/** `returned`: it was away, and is there again. */
export type Connection = 'unknown' | 'ready' | 'returned' | 'loading' | 'unreachable' | 'key-needed';

export interface ServerView extends ServerProperties {
  readonly connection: Connection;
  readonly models: readonly ModelInfo[];
}

const UNKNOWN: ServerProperties = { defaults: {}, chatFault: undefined };
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 10_000;
const RETURNED_FOR_MS = 4000;
const FRESH_MS = 15_000;

export class ServerWatch {
  readonly view = new Observable<ServerView>({ connection: 'unknown', models: [], ...UNKNOWN });
  readonly #api: ApiClient;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wait = FIRST_WAIT_MS;
  #askedAt = 0;

  constructor(api: ApiClient) {
    this.#api = api;
  }

  /** Asks now, and goes on asking until the server answers. */
  async refresh(): Promise<void> {
    clearTimeout(this.#timer);
    this.#askedAt = Date.now();
    const before = this.view.value.connection;
    try {
      await this.#api.health();
      const models = await this.#api.models();
      // A server without /props still chats.
      const properties = await this.#api.properties().catch(() => UNKNOWN);
      this.#wait = FIRST_WAIT_MS;
      const isBack = before === 'unreachable' || before === 'loading';
      this.view.set({ connection: isBack ? 'returned' : 'ready', models, ...properties });
      if (isBack) this.#timer = setTimeout(() => this.#show('ready'), RETURNED_FOR_MS);
    } catch (error) {
      this.#show(connectionAfter(failureOf(error)) ?? 'unreachable');
      if (error instanceof ServerError && error.failure.kind === 'unauthorized') return;
      this.#timer = setTimeout(() => void this.refresh(), this.#wait);
      this.#wait = Math.min(LONGEST_WAIT_MS, this.#wait * 1.5);
    }
  }

  /** An answer failed: perhaps for a reason that concerns the whole server. */
  noteFailure(failure: Failure): void {
    const connection = connectionAfter(failure);
    // Perhaps an adapter that has been unloaded.
    if (failure.kind === 'not-found') void this.refresh();
    if (connection === undefined) return;
    // A broken connection may have been this one's alone; only asking tells.
    if (failure.kind !== 'connection-lost') this.#show(connection);
    if (connection !== 'key-needed') void this.refresh();
  }

  /** Somebody looks at the page again: adapters may have come and gone since. */
  lookAgain(): void {
    if (Date.now() - this.#askedAt > FRESH_MS && this.view.value.connection === 'ready') void this.refresh();
  }

  #show(connection: Connection): void {
    this.view.update((view) => (view.connection === connection ? view : { ...view, connection }));
  }
}

function connectionAfter({ kind }: Failure): Connection | undefined {
  switch (kind) {
    case 'unauthorized':
      return 'key-needed';
    case 'loading':
      return 'loading';
    case 'unreachable':
    case 'connection-lost':
      return 'unreachable';
    case 'forbidden':
    case 'not-found':
    case 'too-long':
    case 'rejected':
    case 'busy':
    case 'server-fault':
      return undefined;
    default:
      return kind satisfies never;
  }
}
