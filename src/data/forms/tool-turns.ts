/** Tools in records: the list of them, the calls of an answer, and what else chat templates show of a message. */
import { InputError } from '../../errors/index.js';
import { MESSAGE_EXTRAS, readFunctionCall, readMessageExtras, readTools } from '../../models/index.js';
import { FormFault, type JsonRecord } from './form.js';

/** Of a turn, beside its role and content. */
export const TOOL_TURN_KEYS: readonly string[] = MESSAGE_EXTRAS;
/** Of a record. */
export const TOOL_RECORD_KEYS = ['tools'] as const;

/** undefined where the record lists none. */
export function toolsOf({ tools }: JsonRecord): readonly unknown[] | undefined {
  return asFault(() => readTools(tools));
}

/** What a chat template is given of a turn beside its role and content; undefined: nothing. */
export function extrasOf(turn: JsonRecord, path: string): Readonly<Record<string, unknown>> | undefined {
  return asFault(() => readMessageExtras(turn, path));
}

/** A call that is the whole text of a turn. */
export function callOf(text: string, path: string): unknown {
  return asFault(() => readFunctionCall(text, path));
}

function asFault<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw error instanceof InputError ? new FormFault('tool calls', error.message) : error;
  }
}
