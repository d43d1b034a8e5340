/** Keys of records that no form reads, counted. */

/** Counted each by its name; the rest together, so that keys made of data need no memory. */
const MAX_KEYS = 1000;
const SHOWN_KEYS = 20;
const SHOWN_LENGTH = 60;

export interface UnreadKey {
  readonly key: string;
  readonly count: number;
}

export class UnreadKeys {
  readonly #counts = new Map<string, number>();

  /** Bound, to be handed on as `onUnreadKey`. */
  readonly add = (key: string): void => {
    const counted = this.#counts.size < MAX_KEYS || this.#counts.has(key) ? key : 'other keys';
    this.#counts.set(counted, (this.#counts.get(counted) ?? 0) + 1);
  };

  /** The most frequent first. */
  list(): UnreadKey[] {
    return [...this.#counts].map(([key, count]) => ({ key, count })).sort((a, b) => b.count - a.count);
  }
}

/** For people, the first twenty: "id (40), messages[].name (3)". */
export function unreadKeysText(keys: readonly UnreadKey[]): string {
  const shown = keys.slice(0, SHOWN_KEYS).map(({ key, count }) => `${key.slice(0, SHOWN_LENGTH)} (${count})`);
  return shown.join(', ') + (keys.length > shown.length ? `, … ${keys.length} keys in all` : '');
}
