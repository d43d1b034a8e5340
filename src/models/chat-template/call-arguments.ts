/**
 * Arguments of calls in chat templates. Most templates go over them as an object or write it with `tojson`; some (DeepSeek's) join them to
 * other texts, and have to be given JSON. Nothing in a template says which: objects are tried first, and texts where the template fails on
 * them or prints them as Python would.
 */
import { pythonJson, pythonText } from '../../templates/index.js';

type Fields = Readonly<Record<string, unknown>>;

/** The messages with the arguments of all calls as JSON; undefined where no call has an object. */
export function withTextArguments<Message extends object>(
  messages: readonly Message[],
): readonly Message[] | undefined {
  if (argumentsOf(messages).length === 0) return undefined;
  return messages.map((message) => {
    const calls = callsOf(message);
    return calls.length === 0 ? message : { ...message, tool_calls: calls.map(withText) };
  });
}

/** Whether a rendered text shows arguments as Python prints them, which no model has learned. */
export function printsArguments(text: string, messages: readonly object[]): boolean {
  return argumentsOf(messages).some(
    (given) => Object.keys(given).length > 0 && text.includes(pythonText(given)),
  );
}

function withText(call: unknown): unknown {
  const called = functionOf(call);
  if (called === undefined || !isFields(called.arguments)) return call;
  const text = { ...called, arguments: pythonJson(called.arguments) };
  return isFields(call) && isFields(call.function) ? { ...call, function: text } : text;
}

function argumentsOf(messages: readonly object[]): readonly Fields[] {
  return messages
    .flatMap(callsOf)
    .map((call) => functionOf(call)?.arguments)
    .filter(isFields);
}

function callsOf(message: object): readonly unknown[] {
  const calls: unknown = Reflect.get(message, 'tool_calls');
  return Array.isArray(calls) ? calls : [];
}

function functionOf(call: unknown): Fields | undefined {
  if (!isFields(call)) return undefined;
  return isFields(call.function) ? call.function : call;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
