/** The tokenizer's own files inside a GGUF that we wrote: one file is then a whole model for us too. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { InputError } from '../../../errors/index.js';
import { fileStatus, type GgufValue, readFileStart, readGgufFile } from '../../../formats/index.js';
import { findTokenizerFile } from '../../../tokenizers/index.js';

/** Before a file's name; the value is its content in base64. llama.cpp passes over keys that it does not know. */
const GGUF_FILE_PREFIX = 'xinghe.file.';

/** Beside tokenizer.json or a SentencePiece model. */
const COMPANIONS = [
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'generation_config.json',
  'chat_template.jinja',
] as const;

/** Keys with the tokenizer of `folder` and what belongs to it. @throws InputError if there is no tokenizer, or several */
export function tokenizerFileKeys(folder: string): [key: string, value: GgufValue][] {
  return [findTokenizerFile(folder), ...COMPANIONS.map((name) => join(folder, name))]
    .filter((path) => fileStatus(path)?.isFile() === true)
    .map((path) => [
      GGUF_FILE_PREFIX + basename(path),
      { type: 'string', value: readFileSync(path).toString('base64') },
    ]);
}

/**
 * The files inside the GGUF at `path`, by name; none of any other file.
 * @throws InputError for a name that is no tokenizer's, and for content that is not base64
 */
export function embeddedFiles(path: string): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  if (fileStatus(path)?.isFile() !== true || readFileStart(path, 4).toString('latin1') !== 'GGUF')
    return files;
  for (const [key, value] of readGgufFile(path).metadata) {
    if (!key.startsWith(GGUF_FILE_PREFIX)) continue;
    const name = key.slice(GGUF_FILE_PREFIX.length);
    if (!isTokenizerFile(name) && !COMPANIONS.some((known) => known === name))
      throw new InputError(`${path}: the key ${JSON.stringify(key)} names no file of a tokenizer.`);
    if (value.type !== 'string' || !isBase64(value.value))
      throw new InputError(`${path}: the value of ${key} is no text in base64; the file is damaged.`);
    files.set(name, Buffer.from(value.value, 'base64'));
  }
  return files;
}

/** A plain name: nothing that leads elsewhere when it is written. */
export function isTokenizerFile(name: string): boolean {
  return name === 'tokenizer.json' || /^[^./\\\0][^/\\\0]{0,200}\.model$/.test(name);
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}
