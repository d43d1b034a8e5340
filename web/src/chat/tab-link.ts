/** Tabs of one browser share the storage: each tells the others what it changed, and holds what it is writing. */

export interface TabLink {
  /** To the other tabs. */
  announce(conversationId: string): void;
  /** Holds the message as this tab's own until the work is done. */
  whileHolding(messageId: string, work: Promise<unknown>): void;
  /** Calls back when no tab holds the message (at once, where none does). */
  whenFree(messageId: string, then: () => void): void;
}

export function linkTabs(onChange: (conversationId: string) => void): TabLink {
  const channel = typeof BroadcastChannel === 'undefined' ? undefined : new BroadcastChannel('xinghe');
  if (channel !== undefined)
    channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (typeof data === 'string') onChange(data);
    };
  // Absent on plain http addresses other than localhost.
  const locks: LockManager | undefined = 'locks' in navigator ? navigator.locks : undefined;
  const name = (messageId: string): string => `xinghe.answer.${messageId}`;
  return {
    announce: (conversationId) => channel?.postMessage(conversationId),
    whileHolding(messageId, work) {
      void locks?.request(name(messageId), () => work).catch(() => {});
    },
    whenFree(messageId, then) {
      if (locks === undefined) then();
      else void locks.request(name(messageId), async () => then());
    },
  };
}
