/** The version of Xinghe, as package.json says it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export function ownVersion(): string {
  const text = readFileSync(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8');
  const content: unknown = JSON.parse(text);
  return typeof content === 'object' && content !== null ? String(Reflect.get(content, 'version')) : '';
}
