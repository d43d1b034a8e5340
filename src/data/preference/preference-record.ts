/** Records of answers that are compared or judged, as the published sets write them. */
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
  wrongType,
} from '../forms/form.js';
import { readTurns } from '../forms/turns.js';
import { readHumanAssistant } from './human-assistant.js';

interface Prompted {
  /** Optionally a system message, then user and assistant in turns, a user message last. */
  readonly prompt: readonly ChatMessage[];
}

export interface PairRecord extends Prompted {
  readonly kind: 'pair';
  readonly chosen: string;
  readonly rejected: string;
  readonly margin: number | undefined;
}

export interface JudgedRecord extends Prompted {
  readonly kind: 'judged';
  readonly answer: string;
  /** undefined: the record does not say, where it need not. */
  readonly isDesirable: boolean | undefined;
}

export type PreferenceRecord = PairRecord | JudgedRecord;

const LABEL_KEYS = ['label', 'kto_tag', 'kto_label'] as const;

/** Keys that are looked at. */
export const PREFERENCE_KEYS: ReadonlySet<string> = new Set([
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
]);

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
  return isPair(record) ? readPair(record, options) : readJudged(record, options, mayBeUnlabelled);
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
  const chosen = readSide(record, 'chosen', prompt);
  const rejected = readSide(record, 'rejected', prompt);
  if (!isSame(chosen.prompt, rejected.prompt))
    throw new FormFault(
      'prompt not shared',
      '`chosen` and `rejected` differ before their last message; both must answer the same prompt',
    );
  checkDialogue(chosen.prompt, chosen.answer, 'chosen');
  checkDialogue(rejected.prompt, rejected.answer, 'rejected');
  if (chosen.answer === rejected.answer)
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
  const { prompt, answer } = readAnswered(record, options);
  checkDialogue(prompt, answer, 'the answer');
  return { kind: 'judged', prompt, answer, isDesirable };
}

function readLabel(value: unknown, key: string): boolean {
  // CSV has texts only.
  if (value === true || value === 1 || (typeof value === 'string' && /^(true|1)$/i.test(value))) return true;
  if (value === false || value === 0 || (typeof value === 'string' && /^(false|0)$/i.test(value)))
    return false;
  throw wrongType(key, 'true or false', value);
}

interface Answered extends Prompted {
  readonly answer: string;
}

/** One answer, wherever the record has it. */
function readAnswered(record: JsonRecord, options: FormOptions): Answered {
  if (has(record, 'completion')) return readSide(record, 'completion', readPrompt(record, options));
  if (has(record, 'instruction')) return readSide(record, 'output', readAlpacaPrompt(record, options));
  const turns = readListedTurns(record);
  if (turns === undefined) throw missingKey(record, 'completion');
  return splitAnswer(turns, 'the last message');
}

/** What chosen and rejected answer; undefined: they begin with it. */
function readPrompt(record: JsonRecord, options: FormOptions): readonly ChatMessage[] | undefined {
  const { prompt } = record;
  if (typeof prompt === 'string') return withSystem(record, [{ role: 'user', content: prompt }]);
  if (prompt !== undefined && prompt !== null)
    return withoutMarks(readTurns(record, 'prompt', requireList(record, 'prompt'), false));
  if (has(record, 'instruction')) return readAlpacaPrompt(record, options);
  return readListedTurns(record);
}

function readListedTurns(record: JsonRecord): readonly ChatMessage[] | undefined {
  const key = ['conversations', 'messages'].find((name) => has(record, name));
  return key === undefined
    ? undefined
    : withoutMarks(readTurns(record, key, requireList(record, key), false));
}

/** An answer: a text, a message, or a list of messages that ends with it. */
function readSide(record: JsonRecord, key: string, prompt: readonly ChatMessage[] | undefined): Answered {
  const value = record[key];
  if (!Object.hasOwn(record, key)) throw missingKey(record, key);
  if (typeof value === 'string' || value === null) {
    if (prompt !== undefined) return { prompt, answer: value ?? '' };
    return splitAnswer(withSystem(record, readHumanAssistant(value ?? '', key)), key);
  }
  if (isRecord(value)) {
    if (prompt === undefined) throw missingKey(record, 'prompt');
    return splitAnswer([...prompt, ...withoutMarks(readTurns({}, key, [value], false))], key);
  }
  const turns = withoutMarks(readTurns({}, key, requireList(record, key), false));
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
  return { prompt: turns.slice(0, -1), answer: last.content };
}

function withSystem(record: JsonRecord, turns: readonly ChatMessage[]): readonly ChatMessage[] {
  const system = optionalText(record, 'system');
  return system === undefined ? turns : [{ role: 'system', content: system }, ...turns];
}

/** Which answers of a prompt are learned means nothing here: the last alone is. */
function withoutMarks(turns: readonly ChatMessage[]): readonly ChatMessage[] {
  return turns.map(({ role, content }) => ({ role, content }));
}

/** @throws FormFault for an order that is no dialogue, and for an answer without text */
function checkDialogue(prompt: readonly ChatMessage[], answer: string, which: string): void {
  if (answer.trim() === '') throw new FormFault('nothing to learn', `${which} is empty`);
  // Earlier answers are read only, and may be empty.
  const read = prompt.map((message) =>
    message.role === 'assistant' ? { ...message, isLearned: false } : message,
  );
  dialogue([...read, { role: 'assistant', content: answer }]);
}

function isSame(one: readonly ChatMessage[], other: readonly ChatMessage[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ role, content }, index) => role === other[index]?.role && content === other[index]?.content)
  );
}

function optionalNumber(record: JsonRecord, key: string): number | undefined {
  const value = record[key];
  if (value === undefined || value === null || value === '') return undefined;
  const number = typeof value === 'string' ? Number(value.trim() || Number.NaN) : value;
  if (typeof number === 'number' && Number.isFinite(number)) return number;
  throw new FormFault('wrong type', `\`${key}\` must be a number, got ${showValue(value)}`);
}
