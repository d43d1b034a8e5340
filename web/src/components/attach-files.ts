/** Files on their way into a message: read, counted, and refused by name where they do not fit. */
import { usedTokens } from '../chat/context-room.js';
import { estimateTokens } from '../chat/token-count.js';
import type { Workbench } from '../chat/workbench.js';
import { type AttachmentFault, decodeTextFile, MOST_BYTES } from '../conversation/attachments.js';
import type { Attachment } from '../conversation/conversation.js';
import { whole } from '../texts/numbers.js';
import type { Texts } from '../texts/texts.js';

/** So much of the context is left to the question and its answer. */
const RESERVED_SHARE = 1 / 16;

export interface TakenFiles {
  readonly attachments: readonly Attachment[];
  /** A sentence for each file that was not taken. */
  readonly refusals: readonly string[];
}

/** @param already what is attached; a file of the same name is replaced */
export async function takeFiles(
  files: readonly File[],
  already: readonly Attachment[],
  workbench: Workbench,
  say: Texts,
): Promise<TakenFiles> {
  const attachments = [...already];
  const refusals: string[] = [];
  for (const file of files) {
    const others = attachments.filter(({ name }) => name !== file.name);
    const text = await textOf(file);
    if (typeof text !== 'string') {
      refusals.push(say.fileRefused(file.name, reasonOf(text, say)));
      continue;
    }
    const { tokens } = await workbench.countTokens(text);
    const room = requiredCacheTokens(workbench) - others.reduce((sum, other) => sum + other.tokens, 0);
    if (tokens > room) {
      const reason = say.fileTooLong(whole(tokens), whole(Math.max(0, room)));
      refusals.push(say.fileRefused(file.name, reason));
      continue;
    }
    attachments.splice(0, attachments.length, ...others, { name: file.name, text, tokens });
  }
  return { attachments, refusals };
}

async function textOf(file: File): Promise<string | AttachmentFault> {
  if (file.size > MOST_BYTES) return { kind: 'too-large', bytes: file.size };
  try {
    return decodeTextFile(new Uint8Array(await file.arrayBuffer()));
  } catch {
    return { kind: 'unreadable' }; // A folder, or a file that has gone.
  }
}

/** Tokens of the model's context that nothing takes yet. */
function requiredCacheTokens({ server, model, thread }: Workbench): number {
  const maxModelLength = server.view.value.models.find(({ id }) => id === model)?.maxModelLength;
  if (maxModelLength === undefined) return Number.POSITIVE_INFINITY;
  const used = usedTokens(thread.value) || estimateTokens(thread.value.conversation.system);
  return Math.floor(maxModelLength * (1 - RESERVED_SHARE)) - used;
}

function reasonOf(fault: AttachmentFault, say: Texts): string {
  switch (fault.kind) {
    case 'not-text':
      return say.fileNotText;
    case 'too-large':
      return say.fileTooLarge((fault.bytes / 1e6).toFixed(1), String(MOST_BYTES / 1e6));
    case 'unreadable':
      return say.fileUnreadable;
    case 'empty':
      return say.fileEmpty;
    default:
      return fault satisfies never;
  }
}
