/** Plain data as Python writes it: as it prints, and as `json.dumps` keeps every character. */
import { jsonText, representation } from './printing.js';
import { toValue } from './values.js';

/** {'a': True} */
export function pythonText(data: unknown): string {
  return representation(toValue(data));
}

/** {"a": true}, with spaces behind commas and colons */
export function pythonJson(data: unknown): string {
  return jsonText(toValue(data), {
    indent: undefined,
    separators: [', ', ': '],
    sortsKeys: false,
    isAscii: false,
  });
}
