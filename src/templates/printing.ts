/** Values as Python prints them, and as json.dumps writes them. */
import { originAt, unmarked } from './given-marks.js';
import { ValueFault } from './template-error.js';
import {
  Callable,
  itemsOf,
  Namespace,
  PythonFloat,
  refuseStrict,
  SafeText,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.js';

/** As `str(…)`. */
export function stringOf(value: Value): string {
  if (typeof value === 'string') return value;
  if (value instanceof SafeText) return value.text;
  if (value instanceof Undefined) {
    refuseStrict(value);
    return '';
  }
  return representation(value);
}

/** As `repr(…)`. */
export function representation(value: Value): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number') return wholeText(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (value === null) return 'None';
  if (value instanceof PythonFloat) return floatText(value.value);
  if (Array.isArray(value)) return `[${value.map(representation).join(', ')}]`;
  if (value instanceof Tuple) {
    const items = value.items.map(representation);
    return items.length === 1 ? `(${items[0]},)` : `(${items.join(', ')})`;
  }
  if (value instanceof Map)
    return braces([...value].map(([key, each]) => `${representation(key)}: ${representation(each)}`));
  if (value instanceof Undefined) return 'Undefined';
  if (value instanceof SafeText) return `Markup(${quoted(value.text)})`;
  if (value instanceof Namespace)
    return `<Namespace ${braces([...value.attributes].map(([key, each]) => `${quoted(key)}: ${representation(each)}`))}>`;
  return `<${value instanceof Callable ? value.name : typeName(value)}>`;
}

function braces(members: readonly string[]): string {
  return `{${members.join(', ')}}`;
}

function wholeText(value: number): string {
  return Number.isSafeInteger(value) ? String(value) : BigInt(value).toString();
}

export function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (Object.is(value, -0)) return '-0.0';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    const [mantissa, exponent] = value.toExponential().split('e');
    const power = Number(exponent);
    return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let out = '';
  for (const character of text) {
    const short = ESCAPES[character];
    if (short !== undefined) out += short;
    else if (character === quote) out += `\\${quote}`;
    else if (character !== ' ' && /[\p{C}\p{Z}]/u.test(character) && originAt(character, 0) === 'template')
      out += codeEscape(character);
    else out += character;
  }
  return quote + out + quote;
}

function codeEscape(character: string): string {
  const code = character.codePointAt(0)!;
  const hex = code.toString(16);
  if (code <= 0xff) return `\\x${hex.padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}

export interface JsonStyle {
  readonly indent: string | undefined;
  /** Between items, between key and value. */
  readonly separators: readonly [string, string];
  readonly sortsKeys: boolean;
  readonly isAscii: boolean;
}

/** As `json.dumps`. @throws ValueFault for what JSON does not have */
export function jsonText(value: Value, style: JsonStyle, depth = 0): string {
  const [between, colon] = style.separators;
  const enclosed = (open: string, members: readonly string[], close: string): string => {
    if (members.length === 0) return open + close;
    if (style.indent === undefined) return open + members.join(between) + close;
    const line = (level: number) => `\n${(style.indent ?? '').repeat(level)}`;
    return open + line(depth + 1) + members.join(between + line(depth + 1)) + line(depth) + close;
  };
  if (typeof value === 'string' || value instanceof SafeText) return jsonString(stringOf(value), style);
  if (typeof value === 'number') return wholeText(value);
  if (typeof value === 'boolean') return String(value);
  if (value === null) return 'null';
  if (value instanceof PythonFloat)
    return floatText(value.value).replace('inf', 'Infinity').replace('nan', 'NaN');
  if (Array.isArray(value) || value instanceof Tuple) {
    return enclosed(
      '[',
      itemsOf(value).map((item) => jsonText(item, style, depth + 1)),
      ']',
    );
  }
  if (value instanceof Map) {
    const members = [...value].map(([key, each]): [string, Value] => [jsonKey(key, style), each]);
    if (style.sortsKeys) members.sort(([a], [b]) => (unmarked(a) < unmarked(b) ? -1 : 1));
    return enclosed(
      '{',
      members.map(([key, each]) => `${jsonString(key, style)}${colon}${jsonText(each, style, depth + 1)}`),
      '}',
    );
  }
  throw new ValueFault(`Object of type ${typeName(value)} is not JSON serializable`);
}

function jsonKey(key: Value, style: JsonStyle): string {
  if (typeof key === 'string') return key;
  if (key === null || ['number', 'boolean'].includes(typeof key) || key instanceof PythonFloat)
    return jsonText(key, style);
  throw new ValueFault(`keys must be str, int, float, bool or None, not ${typeName(key)}`);
}

function jsonString(text: string, { isAscii }: JsonStyle): string {
  const written = JSON.stringify(text);
  if (!isAscii) return written;
  return written.replace(/[^ -~]/g, (unit) => {
    const plain = unmarked(unit);
    // What is ASCII without its mark is written as it is, and keeps it.
    return plain <= '~' ? unit : `\\u${plain.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
