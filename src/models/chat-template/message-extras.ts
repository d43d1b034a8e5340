/** What messages of records and requests have beside their role and content, in the form that chat templates are given. */
import { InputError } from '../../errors/index.js';
import { showValue } from '../../formats/index.js';

/** Of a message, beside its role and content. */
export const MESSAGE_EXTRAS = [
  'name',
  'tool_call_id',
  'reasoning_content',
  'tool_calls',
  'function_call',
] as const;

type Fields = Readonly<Record<string, unknown>>;

/** A list of tools, which some sets keep as a text of JSON; undefined where there is none. @throws InputError for another form */
export function readTools(value: unknown, path = 'tools'): readonly unknown[] | undefined {
  const list = typeof value === 'string' && value.trim() !== '' ? parsed(value, path) : value;
  if (list === undefined || list === null || list === '') return undefined;
  if (!Array.isArray(list)) throw wrongType(path, 'a list', list);
  const all: readonly unknown[] = list;
  return all.length === 0 ? undefined : all;
}

/** The extras of a message; undefined: none. @param path names it in messages. @throws InputError for another form */
export function readMessageExtras(message: Fields, path: string): Fields | undefined {
  const more: Record<string, unknown> = {};
  for (const key of ['name', 'tool_call_id', 'reasoning_content'] as const) {
    const value = message[key];
    if (value === undefined || value === null || value === '') continue;
    if (typeof value !== 'string') throw wrongType(`${path}.${key}`, 'a text', value);
    more[key] = value;
  }
  const calls = readCalls(message, path);
  if (calls !== undefined) more.tool_calls = calls;
  return Object.keys(more).length === 0 ? undefined : more;
}

function readCalls(
  { tool_calls: given, function_call: old }: Fields,
  path: string,
): readonly unknown[] | undefined {
  const calls =
    typeof given === 'string' && given.trim() !== '' ? parsed(given, `${path}.tool_calls`) : given;
  if (Array.isArray(calls) && calls.length > 0)
    return calls.map((call: unknown, index) => readCall(call, `${path}.tool_calls[${index}]`));
  if (calls !== undefined && calls !== null && calls !== '' && !Array.isArray(calls))
    throw wrongType(`${path}.tool_calls`, 'a list', calls);
  return old === undefined || old === null ? undefined : [readFunctionCall(old, `${path}.function_call`)];
}

/** {"function": {"name", "arguments"}} of OpenAI, or {"name", "arguments"} alone. */
function readCall(call: unknown, path: string): unknown {
  if (!isFields(call)) throw wrongType(path, 'an object', call);
  const isBare = call.function === undefined;
  const { function: called } = readFunctionCall(
    isBare ? call : call.function,
    isBare ? path : `${path}.function`,
  );
  return { ...(typeof call.id === 'string' && { id: call.id }), type: 'function', function: called };
}

export interface FunctionCall {
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: Fields };
}

/** Arguments as an object, as templates go over them, also where they are a text of JSON. @throws InputError for another form */
export function readFunctionCall(value: unknown, path: string): FunctionCall {
  const call = typeof value === 'string' ? parsed(value, path) : value;
  if (!isFields(call)) throw wrongType(path, 'an object {"name", "arguments"}', call);
  if (typeof call.name !== 'string') throw wrongType(`${path}.name`, 'a text', call.name);
  const given = call.arguments ?? call.parameters ?? {};
  const text = typeof given === 'string' && given.trim() === '' ? '{}' : given;
  const args = typeof text === 'string' ? parsed(text, `${path}.arguments`) : text;
  if (!isFields(args)) throw wrongType(`${path}.arguments`, 'an object', args);
  return { type: 'function', function: { name: call.name, arguments: args } };
}

function parsed(text: string, path: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    throw new InputError(`\`${path}\` is a text that is no JSON`);
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrongType(path: string, expected: string, value: unknown): InputError {
  return new InputError(`\`${path}\` must be ${expected}, got ${showValue(value)}`);
}
