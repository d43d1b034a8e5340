/** What a form of training records is: from a record to a text or a dialogue. */
import { showValue } from '../../formats/index.js';
import type { ChatMessage, ChatRole } from '../../models/index.js';

export type SampleContent =
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind: 'dialogue';
      readonly messages: readonly ChatMessage[];
      /** What the model may call, as OpenAI lists tools. */
      readonly tools?: readonly unknown[] | undefined;
    };

export interface FormOptions {
  /** text: the key that holds it. Default "text". */
  readonly textField?: string | undefined;
  /** alpaca: what stands between instruction and input where both are given. Default "\n"; Spark's recipes: "". */
  readonly inputSeparator?: string | undefined;
  /** messages, sharegpt: tools, their calls and results are read, for a chat template that has a place for them. Default: refused. */
  readonly keepsTools?: boolean | undefined;
}

export type JsonRecord = Readonly<Record<string, unknown>>;

/** @throws FormFault for a record of another form */
export type ReadForm = (record: JsonRecord, options: FormOptions) => SampleContent;

export type FormFaultReason =
  | 'not a record'
  | 'missing key'
  | 'wrong type'
  | 'unknown role'
  | 'order of turns'
  | 'tool calls'
  | 'what is learned'
  | 'marker in a text'
  | 'prompt not shared'
  | 'same answers'
  | 'nothing to learn';

/**
 * A record of another form; readSamples makes it an InputError with file and line. One with nothing to learn is no fault of the
 * file: it is left out and counted.
 */
export class FormFault extends Error {
  readonly reason: FormFaultReason;

  constructor(reason: FormFaultReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

export function missingKey(record: JsonRecord, key: string): FormFault {
  return new FormFault('missing key', `missing \`${key}\`; keys found: ${keysOf(record)}`);
}

export function keysOf(record: JsonRecord): string {
  const keys = Object.keys(record);
  if (keys.length === 0) return 'none';
  const shown = keys.slice(0, 12).map((key) => (key.length > 40 ? `${key.slice(0, 37)}...` : key));
  return shown.join(', ') + (keys.length > 12 ? `, … ${keys.length} in all` : '');
}

export function wrongType(key: string, expected: string, value: unknown): FormFault {
  return new FormFault('wrong type', `\`${key}\` must be ${expected}, got ${showValue(value)}`);
}

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function requireText(record: JsonRecord, key: string, path = key): string {
  const value = record[key];
  if (typeof value === 'string') return value;
  if (!Object.hasOwn(record, key)) throw missingKey(record, path);
  throw wrongType(path, 'a text', value);
}

/** The text of an answer; null, as some sets write an answer that is not there, is an empty one. */
export function requireAnswer(record: JsonRecord, key: string, path = key): string {
  return record[key] === null ? '' : requireText(record, key, path);
}

/** undefined for a key that is absent, null or empty. */
export function optionalText(record: JsonRecord, key: string): string | undefined {
  const value = record[key];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string') return value;
  throw wrongType(key, 'a text', value);
}

export function requireList(record: JsonRecord, key: string): readonly unknown[] {
  const value = record[key];
  if (Array.isArray(value)) return value;
  if (!Object.hasOwn(record, key)) throw missingKey(record, key);
  throw wrongType(key, 'a list', value);
}

/** Optionally a system message, then user and assistant in turns, an assistant message last. */
export function dialogue(messages: readonly ChatMessage[]): SampleContent {
  const turns = messages[0]?.role === 'system' ? messages.slice(1) : messages;
  for (const [index, { role }] of turns.entries()) {
    const expected: ChatRole = index % 2 === 0 ? 'user' : 'assistant';
    if (role === expected) continue;
    const number = messages.length - turns.length + index + 1;
    throw new FormFault(
      'order of turns',
      `message ${number} is from the ${role}, expected the ${expected}; user and assistant speak in turns, ` +
        'a system message may only be the first',
    );
  }
  if (turns.length === 0) throw new FormFault('order of turns', 'the dialogue has no messages');
  if (turns.length % 2 !== 0)
    throw new FormFault(
      'order of turns',
      'the dialogue ends with the user; an answer must be the last message',
    );
  refuseNothing(messages);
  return { kind: 'dialogue', messages };
}

/** The same with tools, whose order is the chat template's affair; it says what it cannot render. */
export function toolDialogue(
  messages: readonly ChatMessage[],
  tools: readonly unknown[] | undefined,
): SampleContent {
  if (messages.length === 0) throw new FormFault('order of turns', 'the dialogue has no messages');
  if (messages.at(-1)?.role !== 'assistant')
    throw new FormFault(
      'order of turns',
      `the dialogue ends with the ${messages.at(-1)?.role}; an answer must be the last message`,
    );
  refuseNothing(messages);
  return { kind: 'dialogue', messages, tools };
}

/** Whether an answer has neither a text nor a call. */
export function saysNothing({ content, more }: ChatMessage): boolean {
  return content.trim() === '' && more?.tool_calls === undefined;
}

/** An empty answer would teach its end token alone, a dialogue without a learned answer nothing. */
function refuseNothing(messages: readonly ChatMessage[]): void {
  const answers = messages.filter(({ role }) => role === 'assistant');
  const empty = answers.findIndex((answer) => answer.isLearned !== false && saysNothing(answer));
  if (empty >= 0) {
    const which = answers.length === 1 ? 'the answer' : `answer ${empty + 1} of ${answers.length}`;
    throw new FormFault('nothing to learn', `${which} is empty: only its end would be learned`);
  }
  if (answers.every(({ isLearned }) => isLearned === false))
    throw new FormFault('nothing to learn', 'every answer is marked as not to be learned');
}
