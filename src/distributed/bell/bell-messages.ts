/** What goes through a bell. */
export type ToLeader = { readonly token: string; readonly rank: number };

export type FromLeader =
  | { readonly kind: 'hello' }
  /** Nothing more comes. */
  | { readonly kind: 'end' }
  /** So many numbers follow through the process group. */
  | { readonly kind: 'ring'; readonly length: number };

export function parseFromFollower(value: unknown): ToLeader | undefined {
  const { token, rank } = Object(value);
  return typeof token === 'string' && Number.isInteger(rank) ? { token, rank } : undefined;
}

export function parseFromLeader(value: unknown): FromLeader | undefined {
  const { kind, length } = Object(value);
  if (kind === 'hello' || kind === 'end') return { kind };
  return kind === 'ring' && Number.isInteger(length) && length > 0 ? { kind, length } : undefined;
}
