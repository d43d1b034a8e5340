/**
 * The tokenizer's files inside a GGUF: one file is then a whole model. In one that we wrote they are the tokenizer's own; in any
 * other they are made of what it holds for llama.cpp.
 */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { InputError } from '../../../errors/index.js';
import { fileStatus, type GgufModel, type GgufValue } from '../../../formats/index.js';
import { findTokenizerFile } from '../../../tokenizers/index.js';
import { ggufAt } from '../../gguf/gguf-at.js';
import { tokenizerFilesOf } from '../../gguf/tokenizer-files.js';

/** Before a file's name; the value is its content in base64. llama.cpp passes over keys that it does not know. */
export const GGUF_FILE_PREFIX = 'xinghe.file.';
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

/** Files by name; each is made, and refused if it cannot be, when it is read. */
export interface EmbeddedFiles {
  /** Written by us as they were; else made of what the file holds for llama.cpp. */
  readonly areOurs: boolean;
  readonly names: readonly string[];
  /** undefined: there is none of this name. */
  read(name: string): Buffer | undefined;
}

const NONE: EmbeddedFiles = { areOurs: false, names: [], read: () => undefined };
const known = new WeakMap<GgufModel, EmbeddedFiles>();

/**
 * The files inside the GGUF at `path`; none of any other file.
 * @throws InputError for a name that is no tokenizer's, and for content that is not base64
 */
export function embeddedFiles(path: string): EmbeddedFiles {
  const model = ggufAt(path);
  if (model === undefined) return NONE;
  const files = known.get(model) ?? ownFiles(model) ?? foreignFiles(model);
  known.set(model, files);
  return files;
}

/** @returns name and content of each. @throws InputError for what cannot be made */
export function readEmbeddedFiles(path: string): [name: string, content: Buffer][] {
  const { names, read } = embeddedFiles(path);
  return names.flatMap((name): [string, Buffer][] => {
    const content = read(name);
    return content === undefined ? [] : [[name, content]];
  });
}

/** Those that we wrote; undefined without any. */
function ownFiles({ path, metadata }: GgufModel): EmbeddedFiles | undefined {
  const files = new Map<string, Buffer>();
  for (const [key, value] of metadata) {
    if (!key.startsWith(GGUF_FILE_PREFIX)) continue;
    const name = key.slice(GGUF_FILE_PREFIX.length);
    if (!isTokenizerFile(name) && !COMPANIONS.some((companion) => companion === name))
      throw new InputError(`${path}: the key ${JSON.stringify(key)} names no file of a tokenizer.`);
    if (value.type !== 'string' || !isBase64(value.value))
      throw new InputError(`${path}: the value of ${key} is no text in base64; the file is damaged.`);
    files.set(name, Buffer.from(value.value, 'base64'));
  }
  if (files.size === 0) return undefined;
  return { areOurs: true, names: [...files.keys()], read: (name) => files.get(name) };
}

function foreignFiles(model: GgufModel): EmbeddedFiles {
  const files = tokenizerFilesOf(model);
  const made = new Map<string, Buffer>();
  return {
    areOurs: false,
    names: [...files.keys()],
    read(name) {
      const present = made.get(name);
      if (present !== undefined) return present;
      const content = files.get(name)?.();
      if (content === undefined) return undefined;
      const bytes = Buffer.from(content);
      made.set(name, bytes);
      return bytes;
    },
  };
}

/** A plain name: nothing that leads elsewhere when it is written. */
export function isTokenizerFile(name: string): boolean {
  return name === 'tokenizer.json' || /^[^./\\\0][^/\\\0]{0,200}\.model$/.test(name);
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}
