/** Conversations as files: Markdown for people, JSON for this page again. */
import { asBoolean, asList, asNumber, asText, field, parseJson } from '../api/json.js';
import { readSampling } from '../api/sampling.js';
import { Branches } from './branches.js';
import {
  type AnswerState,
  type Attachment,
  type Conversation,
  type Message,
  newId,
  type Persona,
  type Rating,
  type Thread,
  titleFrom,
} from './conversation.js';
import { withoutThinking } from './thinking.js';

const FORMAT = 'xinghe-conversations';
const VERSION = 1;

export interface ExportLabels {
  readonly user: string;
  readonly assistant: string;
  readonly system: string;
}

/** What is shown now, other versions and thoughts left out. */
export function toMarkdown(thread: Thread, labels: ExportLabels): string {
  const { title, system } = thread.conversation;
  const parts = [`# ${title}`];
  if (system.trim() !== '') parts.push(`## ${labels.system}`, system.trim());
  for (const { shown } of new Branches(thread).turns())
    for (const { role, text, model, rating, attachments = [] } of shown) {
      const mark = rating === undefined ? '' : rating === 'good' ? ' · 👍' : ' · 👎';
      parts.push(
        `## ${role === 'user' ? labels.user : labels.assistant}${model === undefined ? '' : ` · ${model}`}${mark}`,
        ...attachments.map(attachmentMarkdown),
        role === 'user' ? text.trim() : withoutThinking(text),
      );
    }
  return `${parts.join('\n\n')}\n`;
}

function attachmentMarkdown({ name, text }: Attachment): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(({ 0: run }) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `**${name}**\n\n${fence}\n${text.trimEnd()}\n${fence}`;
}

/** Everything, other versions too. */
export function toJson(threads: readonly Thread[], personas: readonly Persona[]): string {
  const conversations = threads.map(({ conversation, messages }) => ({
    ...conversation,
    messages: [...messages.values()],
  }));
  return `${JSON.stringify({ format: FORMAT, version: VERSION, conversations, personas }, null, 1)}\n`;
}

export class ImportError extends Error {
  override readonly name = 'ImportError';
}

/**
 * Ids are made anew, so that a file may be read twice and cannot touch what is there.
 * @throws ImportError for what this page did not write
 */
export function fromJson(text: string): { threads: Thread[]; personas: Persona[] } {
  const file = parseJson(text);
  if (asText(field(file, 'format')) !== FORMAT) throw new ImportError(`no "format": "${FORMAT}"`);
  const version = asNumber(field(file, 'version'));
  if (version !== VERSION) throw new ImportError(`"version" ${version ?? 'is missing'}, not ${VERSION}`);
  return {
    threads: asList(field(file, 'conversations')).map(readThread),
    personas: asList(field(file, 'personas')).flatMap((entry) => {
      const name = asText(field(entry, 'name'));
      const system = asText(field(entry, 'system'));
      return name === undefined || system === undefined ? [] : [{ id: newId(), name, system }];
    }),
  };
}

function readThread(entry: unknown): Thread {
  const conversationId = newId();
  const newIds = new Map<string, string>();
  const renamed = (id: unknown): string => {
    const old = asText(id) ?? '';
    const known = newIds.get(old) ?? newId();
    newIds.set(old, known);
    return known;
  };
  const renamedOrNone = (id: unknown): string | undefined =>
    typeof id === 'string' ? renamed(id) : undefined;
  const entries = asList(field(entry, 'messages'));
  const messages = entries.map((message): Message => {
    const role = asText(field(message, 'role')) === 'assistant' ? 'assistant' : 'user';
    const parent = field(message, 'parent');
    const common = {
      id: renamed(field(message, 'id')),
      conversationId,
      parent: typeof parent === 'string' ? renamed(parent) : null,
      text: asText(field(message, 'text')) ?? '',
      createdAt: asNumber(field(message, 'createdAt')) ?? 0,
    };
    if (role === 'user')
      return { ...common, role, attachments: readAttachments(field(message, 'attachments')) };
    return {
      ...common,
      role,
      model: asText(field(message, 'model')),
      reasoning: asText(field(message, 'reasoning')),
      rating: readRating(field(message, 'rating')),
      readsFrom: renamedOrNone(field(message, 'readsFrom')),
      state: readState(field(message, 'state')),
      finishReason: asText(field(message, 'finishReason')),
      figures: readFigures(field(message, 'figures')),
      comparison: asText(field(message, 'comparison')),
    };
  });
  const selected = field(entry, 'selected');
  const firstQuestion = messages.find(({ role }) => role === 'user')?.text ?? '';
  const conversation: Conversation = {
    id: conversationId,
    title: asText(field(entry, 'title')) ?? titleFrom(firstQuestion),
    isTitleChosen: asBoolean(field(entry, 'isTitleChosen')) ?? true,
    createdAt: asNumber(field(entry, 'createdAt')) ?? Date.now(),
    updatedAt: asNumber(field(entry, 'updatedAt')) ?? Date.now(),
    system: asText(field(entry, 'system')) ?? '',
    personaId: null,
    model: asText(field(entry, 'model')) ?? null,
    comparedModel: asText(field(entry, 'comparedModel')) ?? null,
    sampling: readSampling(field(entry, 'sampling')),
    isPinned: asBoolean(field(entry, 'isPinned')),
    readsFrom: renamedOrNone(field(entry, 'readsFrom')),
    selected: Object.fromEntries(
      Object.entries(typeof selected === 'object' && selected !== null ? selected : {}).map(
        ([parent, child]) => [parent === '' ? '' : renamed(parent), renamed(child)],
      ),
    ),
  };
  return { conversation, messages: new Map(messages.map((message) => [message.id, message])) };
}

function readState(value: unknown): AnswerState {
  switch (value) {
    case 'stopped':
    case 'cut-off':
    case 'failed':
      return value;
    case 'streaming': // It was, when the file was written.
      return 'cut-off';
    default:
      return 'complete';
  }
}

function readRating(value: unknown): Rating | undefined {
  return value === 'good' || value === 'bad' ? value : undefined;
}

function readAttachments(value: unknown): Attachment[] | undefined {
  const found = asList(value).flatMap((entry): Attachment[] => {
    const name = asText(field(entry, 'name'));
    const text = asText(field(entry, 'text'));
    if (name === undefined || text === undefined) return [];
    return [{ name, text, tokens: asNumber(field(entry, 'tokens')) ?? 0 }];
  });
  return found.length === 0 ? undefined : found;
}

function readFigures(value: unknown): Message['figures'] {
  const promptTokens = asNumber(field(value, 'promptTokens'));
  if (promptTokens === undefined) return undefined;
  return {
    promptTokens,
    completionTokens: asNumber(field(value, 'completionTokens')) ?? 0,
    cachedTokens: asNumber(field(value, 'cachedTokens')) ?? 0,
    tokensPerSecond: asNumber(field(value, 'tokensPerSecond')),
    firstTextMs: asNumber(field(value, 'firstTextMs')),
  };
}
