/** Records of answers that are compared or judged, as the published sets write them. */
import { isDeepStrictEqual } from 'node:util';
import { showValue } from '../../formats/index.js';
import type { ChatMessage } from '../../models/index.js';
import { readAlpacaPrompt } from '../forms/alpaca.js';
import {
  dialogue,
  FormFault,
  type FormOptions,
  isRecord,
  type JsonRecord,
  keysOf,
  missingKey,
  optionalText,
  requireList,
  saysNothing,
  toolDialogue,
  wrongType,
} from '../forms/form.js';
import { TOOL_RECORD_KEYS, toolsOf } from '../forms/tool-turns.js';
import { readTurns } from '../forms/turns.js';
import { readHumanAssistant } from './human-assistant.js';

interface Prompted {
  /** Optionally a system message, then user and assistant in turns, a user message last; with tools as the chat template takes them. */
  readonly prompt: readonly ChatMessage[];
  /** What the model may call, as OpenAI lists tools. */
  readonly tools?: readonly unknown[] | undefined;
}

export interface PairRecord extends Prompted {
  readonly kind: 'pair';
  readonly chosen: ChatMessage;
  readonly rejected: ChatMessage;
  readonly margin: number | undefined;
}

export interface JudgedRecord extends Prompted {
  readonly kind: 'judged';
  readonly answer: ChatMessage;
  /** undefined: the record does not say, where it need not. */
  readonly isDesirable: boolean | undefined;
}

export type PreferenceRecord = PairRecord | JudgedRecord;

const LABEL_KEYS = ['label', 'kto_tag', 'kto_label'] as const;

const PREFERENCE_KEYS = [
  'prompt',
  'chosen',
  'rejected',
  'completion',
  'margin',
  ...LABEL_KEYS,
  'conversations',
  'messages',
  'instruction',
  'input',
  'output',
  'history',
  'system',
] as const;

/** Keys that are looked at. */
export function preferenceKeys({ keepsTools = false }: FormOptions = {}): ReadonlySet<string> {
  return new Set([...PREFERENCE_KEYS, ...(keepsTools ? TOOL_RECORD_KEYS : [])]);
}

export interface PreferenceOptions extends FormOptions {
  /** Take answers of which nothing is said, as for scoring. Default false. */
  readonly mayBeUnlabelled?: boolean | undefined;
}

/**
 * - {"prompt", "chosen", "rejected"}: texts, or lists of messages; without a prompt chosen and rejected begin with it
 * - LLaMA-Factory's ranking sets: {"conversations" or "messages", "chosen", "rejected"} and {"instruction", "input", "chosen",
 *   "rejected"}
 * - one answer and whether it is wanted: {"prompt", "completion", "label"}; LLaMA-Factory's with "kto_tag"
 *
 * @throws FormFault for anything else
 */
export function readPreference(
  record: JsonRecord,
  { mayBeUnlabelled = false, ...options }: PreferenceOptions = {},
): PreferenceRecord {
  const read = isPair(record) ? readPair(record, options) : readJudged(record, options, mayBeUnlabelled);
  const tools = options.keepsTools === true ? toolsOf(record) : undefined;
  return tools === undefined ? read : { ...read, tools };
}

/** Columns of parquet and CSV give every record the keys of all; null is an answer that is not there. */
function isPair(record: JsonRecord): boolean {
  const keys = ['chosen', 'rejected'].filter((key) => Object.hasOwn(record, key));
  return keys.some((key) => has(record, key)) || (keys.length > 0 && labelKey(record) === undefined);
}

function has(record: JsonRecord, key: string): boolean {
  return record[key] !== undefined && record[key] !== null;
}

function labelKey(record: JsonRecord): (typeof LABEL_KEYS)[number] | undefined {
  return LABEL_KEYS.find((name) => has(record, name));
}

function readPair(record: JsonRecord, options: FormOptions): PairRecord {
  for (const key of ['chosen', 'rejected']) if (!Object.hasOwn(record, key)) throw missingKey(record, key);
  const prompt = readPrompt(record, options);
  const chosen = readSide(record, 'chosen', prompt, options);
  const rejected = readSide(record, 'rejected', prompt, options);
  if (!isSame(chosen.prompt, rejected.prompt))
    throw new FormFault(
      'prompt not shared',
      '`chosen` and `rejected` differ before their last message; both must answer the same prompt',
    );
  checkDialogue(chosen, 'chosen', options);
  checkDialogue(rejected, 'rejected', options);
  if (isSame([chosen.answer], [rejected.answer]))
    throw new FormFault('same answers', '`chosen` and `rejected` are the same text: nothing is preferred');
  return {
    kind: 'pair',
    prompt: chosen.prompt,
    chosen: chosen.answer,
    rejected: rejected.answer,
    margin: optionalNumber(record, 'margin'),
  };
}

function readJudged(record: JsonRecord, options: FormOptions, mayBeUnlabelled: boolean): JudgedRecord {
  const key = labelKey(record);
  if (key === undefined && !mayBeUnlabelled)
    throw new FormFault(
      'missing key',
      'neither `chosen` and `rejected` (two answers) nor `label` or `kto_tag` (one answer that is wanted or not); keys found: ' +
        keysOf(record),
    );
  const isDesirable = key === undefined ? undefined : readLabel(record[key], key);
  const answered = readAnswered(record, options);
  checkDialogue(answered, 'the answer', options);
  return { kind: 'judged', ...answered, isDesirable };
}

function readLabel(value: unknown, key: string): boolean {
  // CSV has texts only.
  if (value === true || value === 1 || (typeof value === 'string' && /^(true|1)$/i.test(value))) return true;
  if (value === false || value === 0 || (typeof value === 'string' && /^(false|0)$/i.test(value)))
    return false;
  throw wrongType(key, 'true or false', value);
}

interface Answered {
  readonly prompt: readonly ChatMessage[];
  /** Of the assistant. */
  readonly answer: ChatMessage;
}

/** One answer, wherever the record has it. */
function readAnswered(record: JsonRecord, options: FormOptions): Answered {
  if (has(record, 'completion')) return readSide(record, 'completion', readPrompt(record, options), options);
  if (has(record, 'instruction'))
    return readSide(record, 'output', readAlpacaPrompt(record, options), options);
  const turns = readListedTurns(record, options);
  if (turns === undefined) throw missingKey(record, 'completion');
  return splitAnswer(turns, 'the last message');
}

/** What chosen and rejected answer; undefined: they begin with it. */
function readPrompt(record: JsonRecord, options: FormOptions): readonly ChatMessage[] | undefined {
  const { prompt } = record;
  if (typeof prompt === 'string') return withSystem(record, [{ role: 'user', content: prompt }]);
  if (prompt !== undefined && prompt !== null)
    return withoutMarks(
      readTurns(record, 'prompt', requireList(record, 'prompt'), options.keepsTools ?? false),
    );
  if (has(record, 'instruction')) return readAlpacaPrompt(record, options);
  return readListedTurns(record, options);
}

function readListedTurns(
  record: JsonRecord,
  { keepsTools = false }: FormOptions,
): readonly ChatMessage[] | undefined {
  const key = ['conversations', 'messages'].find((name) => has(record, name));
  return key === undefined
    ? undefined
    : withoutMarks(readTurns(record, key, requireList(record, key), keepsTools));
}

/** An answer: a text, a message, or a list of messages that ends with it. */
function readSide(
  record: JsonRecord,
  key: string,
  prompt: readonly ChatMessage[] | undefined,
  { keepsTools = false }: FormOptions,
): Answered {
  const value = record[key];
  if (!Object.hasOwn(record, key)) throw missingKey(record, key);
  if (typeof value === 'string' || value === null) {
    if (prompt !== undefined) return { prompt, answer: { role: 'assistant', content: value ?? '' } };
    return splitAnswer(withSystem(record, readHumanAssistant(value ?? '', key)), key);
  }
  if (isRecord(value)) {
    if (prompt === undefined) throw missingKey(record, 'prompt');
    return splitAnswer([...prompt, ...withoutMarks(readTurns({}, key, [value], keepsTools))], key);
  }
  const turns = withoutMarks(readTurns({}, key, requireList(record, key), keepsTools));
  if (prompt === undefined) return splitAnswer(withSystem(record, turns), key);
  // UltraFeedback names the prompt and repeats it in both lists.
  if (turns.length === 1) return splitAnswer([...prompt, ...turns], key);
  const whole = splitAnswer(withSystem(record, turns), key);
  if (!isSame(whole.prompt, prompt))
    throw new FormFault(
      'prompt not shared',
      `\`${key}\` has messages before its answer that are not those of the prompt; give the answer alone, or the whole ` +
        'conversation in both and no prompt',
    );
  return whole;
}

function splitAnswer(turns: readonly ChatMessage[], key: string): Answered {
  const last = turns.at(-1);
  if (last?.role !== 'assistant')
    throw new FormFault(
      'order of turns',
      `\`${key}\` must end with a message of the assistant, got ${last === undefined ? 'no message' : `one of the ${last.role}`}`,
    );
  return { prompt: turns.slice(0, -1), answer: last };
}

function withSystem(record: JsonRecord, turns: readonly ChatMessage[]): readonly ChatMessage[] {
  const system = optionalText(record, 'system');
  return system === undefined ? turns : [{ role: 'system', content: system }, ...turns];
}

/** Which answers of a prompt are learned means nothing here: the last alone is. */
function withoutMarks(turns: readonly ChatMessage[]): readonly ChatMessage[] {
  return turns.map(({ role, content, more }) => ({ role, content, ...(more !== undefined && { more }) }));
}

/** @throws FormFault for an order that is no dialogue, and for an answer that says nothing */
function checkDialogue(
  { prompt, answer }: Answered,
  which: string,
  { keepsTools = false }: FormOptions,
): void {
  if (saysNothing(answer)) throw new FormFault('nothing to learn', `${which} is empty`);
  // Earlier answers are read only, and may be empty.
  const read = prompt.map((message) =>
    message.role === 'assistant' ? { ...message, isLearned: false } : message,
  );
  const whole = [...read, answer];
  if (keepsTools) toolDialogue(whole, undefined);
  else dialogue(whole);
}

function isSame(one: readonly ChatMessage[], other: readonly ChatMessage[]): boolean {
  return (
    one.length === other.length &&
    one.every(
      ({ role, content, more }, index) =>
        role === other[index]?.role &&
        content === other[index]?.content &&
        isDeepStrictEqual(more, other[index]?.more),
    )
  );
}

function optionalNumber(record: JsonRecord, key: string): number | undefined {
  const value = record[key];
  if (value === undefined || value === null || value === '') return undefined;
  const number = typeof value === 'string' ? Number(value.trim() || Number.NaN) : value;
  if (typeof number === 'number' && Number.isFinite(number)) return number;
  throw new FormFault('wrong type', `\`${key}\` must be a number, got ${showValue(value)}`);
}
