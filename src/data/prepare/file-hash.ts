/** SHA-256 of files, so that an index says what it was made from. */
import { createHash } from 'node:crypto';
import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { SourceEntry } from '../dataset/dataset-index.js';

export async function hashSource(path: string): Promise<SourceEntry> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), hash);
  return { path, bytes: statSync(path).size, sha256: hash.digest('hex') };
}

/** Of a tokenizer's file, or of all that decide about the tokenizer in its folder. */
export function hashTokenizer(path: string): string {
  const hash = createHash('sha256');
  if (!statSync(path).isDirectory()) return hash.update(readFileSync(path)).digest('hex');
  const names = readdirSync(path).filter(
    (name) =>
      name.endsWith('.model') ||
      /^(tokenizer|tokenizer_config|special_tokens_map|added_tokens)\.json$/.test(name),
  );
  for (const name of names.sort()) hash.update(`${name}\n`).update(readFileSync(join(path, name)));
  return hash.digest('hex');
}
