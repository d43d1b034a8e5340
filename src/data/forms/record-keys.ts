/** The keys that a form reads; the others of a file are counted and named, once. */
import { type FormOptions, isRecord, type JsonRecord } from './form.js';
import { LEARNING_RECORD_KEYS, LEARNING_TURN_KEYS } from './learned-keys.js';
import type { SampleForm } from './sample-form.js';
import { TOOL_RECORD_KEYS, TOOL_TURN_KEYS } from './tool-turns.js';

const ALPACA = ['instruction', 'input', 'output', 'history', 'system'];
const FORM_KEYS: Readonly<Record<SampleForm, readonly string[]>> = {
  alpaca: ALPACA,
  sharegpt: ['conversations', 'system'],
  telechat: ['input', 'output', 'dialog', 'system'],
  xverse: ['messages', 'conversations', ...ALPACA],
  messages: ['messages', 'system'],
  text: [],
};
const TURN_KEYS = new Set([
  'from',
  'value',
  'role',
  'content',
  'tool_calls',
  'function_call',
  ...LEARNING_TURN_KEYS,
]);

/** Top-level keys that a form looks at, or any form where it is yet to be told. */
export function keysOfForm(
  form: SampleForm | 'auto',
  { textField = 'text', keepsTools = false }: Pick<FormOptions, 'textField' | 'keepsTools'> = {},
): ReadonlySet<string> {
  const keys = form === 'auto' ? Object.values(FORM_KEYS).flat() : FORM_KEYS[form];
  const texts = form === 'auto' || form === 'text' ? [textField] : [];
  const tools = keepsTools ? TOOL_RECORD_KEYS : [];
  return new Set([...keys, ...texts, ...tools, ...LEARNING_RECORD_KEYS]);
}

/** Keys of a record that nobody reads, such as `id` and `messages[].name`. */
export function* unreadKeys(record: JsonRecord, read: ReadonlySet<string>): Generator<string, void> {
  for (const key of Object.keys(record)) if (!read.has(key)) yield key;
  const toolKeys: readonly string[] = read.has('tools') ? TOOL_TURN_KEYS : [];
  for (const list of ['messages', 'conversations', 'dialog']) {
    const turns = read.has(list) ? record[list] : undefined;
    if (!Array.isArray(turns)) continue;
    for (const turn of turns)
      if (isRecord(turn))
        // Columns of parquet give every turn the keys of all turns.
        for (const [key, value] of Object.entries(turn))
          if (!TURN_KEYS.has(key) && !toolKeys.includes(key) && value !== null) yield `${list}[].${key}`;
  }
}
