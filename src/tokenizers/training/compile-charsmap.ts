/** Compiles normalisation rules into the form of a SentencePiece model file. */
import { buildDoubleArray } from './double-array.js';
import type { NormalizationRules } from './normalization-rules.js';

/**
 * Rules in the form of a `.model` file: u32 LE size of the trie in bytes, the trie, the replacements, each ending in a
 * zero byte. Empty for no rules.
 */
export function compileCharsmap(rules: NormalizationRules): Uint8Array {
  if (rules.size === 0) return new Uint8Array(0);
  const offsets = new Map<string, number>();
  const replacements: Buffer[] = [];
  let size = 0;
  for (const replacement of rules.values()) {
    if (offsets.has(replacement)) continue;
    offsets.set(replacement, size);
    const bytes = Buffer.from(`${replacement}\0`);
    replacements.push(bytes);
    size += bytes.length;
  }
  const units = buildDoubleArray([...rules].map(([key, value]) => [key, offsets.get(value)!]));
  const trie = Buffer.alloc(4 + units.length * 4);
  trie.writeUInt32LE(units.length * 4, 0);
  for (const [index, unit] of units.entries()) trie.writeUInt32LE(unit, 4 + index * 4);
  return Uint8Array.from(Buffer.concat([trie, ...replacements]));
}
