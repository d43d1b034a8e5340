/** Which of the oldest turns to leave out of a conversation that has filled the model's context. Pure. */

import { withAttachments } from '../conversation/attachments.js';
import { Branches } from '../conversation/branches.js';
import type { Message, Thread } from '../conversation/conversation.js';
import { estimateTokens } from './token-count.js';

/** Above this share of the context the page offers to make room. */
export const NEARLY_FULL = 0.85;
/** So much of the context the messages may take afterwards. */
const SHARE_AFTERWARDS = 0.5;

/** The messages of the path that the model reads, and how many older ones it does not. */
export function readPart(
  thread: Thread,
  path: readonly Message[],
): { read: readonly Message[]; leftOut: number } {
  const { readsFrom } = thread.conversation;
  // On a branch without that message everything is read.
  const from = Math.max(
    0,
    path.findIndex(({ id }) => id === readsFrom),
  );
  return { read: path.slice(from), leftOut: from };
}

/** Tokens that the conversation took at its last answer, less what has been left out since; 0 before the first. */
export function usedTokens(thread: Thread): number {
  const path = new Branches(thread).path();
  const last = path.findLastIndex(({ figures }) => figures !== undefined);
  if (last < 0) return 0;
  const { read, leftOut } = readPart(thread, path);
  return Math.round(tokensOf(last < leftOut ? read : path.slice(leftOut, last + 1), path));
}

/**
 * The message from which the model should read; undefined where only the last turn is left.
 * @param maxLength tokens of the context; undefined: not known, and half of the turns go
 */
export function leaveOutOldest(thread: Thread, maxLength: number | undefined): string | undefined {
  const path = new Branches(thread).path();
  const { read } = readPart(thread, path);
  const starts = read.flatMap(({ role }, index) => (role === 'user' && index > 0 ? [index] : []));
  const first = starts[0];
  if (first === undefined) return undefined;
  if (maxLength === undefined) return read[starts[Math.floor(starts.length / 2)] ?? first]?.id;
  const fits = starts.find((index) => tokensOf(read.slice(index), path) <= SHARE_AFTERWARDS * maxLength);
  return read[fits ?? starts.at(-1) ?? first]?.id;
}

/** Estimated, and set right by what the server counted of the last answer and all it was asked with. */
function tokensOf(messages: readonly Message[], path: readonly Message[]): number {
  const last = path.findLastIndex(({ figures }) => figures !== undefined);
  const figures = path[last]?.figures;
  if (figures === undefined) return estimate(messages);
  const from = Math.max(
    0,
    path.findIndex(({ id }) => id === path[last]?.readsFrom),
  );
  const counted = figures.promptTokens + figures.completionTokens;
  return (estimate(messages) * counted) / Math.max(1, estimate(path.slice(from, last + 1)));
}

function estimate(messages: readonly Message[]): number {
  return messages.reduce(
    (sum, { text, attachments }) => sum + 4 + estimateTokens(withAttachments(text, attachments)),
    0,
  );
}
