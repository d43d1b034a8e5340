/** The tokenizer that belongs to a model. */
import { dirname } from 'node:path';
import { InputError } from '../errors/index.js';
import { fileStatus, parseJson } from '../formats/index.js';
import {
  type LoadTokenizerOptions,
  loadTokenizer,
  parseFolderTokens,
  parseTokenizer,
  type Tokenizer,
} from '../tokenizers/index.js';
import { embeddedFiles, isTokenizerFile } from './convert/gguf/gguf-files.js';
import type { Architecture } from './family.js';

/**
 * @param path a tokenizer file or folder, or a model folder that holds one, or the weight file beside it, or a GGUF with one
 *   inside
 * @throws InputError for a missing or faulty tokenizer, or one with more ids than the model's vocabulary
 */
export function loadModelTokenizer(architecture: Architecture, path: string): Tokenizer {
  const source = tokenizerSource(path);
  const tokenizer = openTokenizer(source, architecture.tokenizerOptions);
  if (tokenizer.vocabSize > architecture.shape.vocabSize)
    throw new InputError(
      `${source}: the tokenizer has ${tokenizer.vocabSize} ids, the model's vocabulary only ` +
        `${architecture.shape.vocabSize}; they do not belong together.`,
    );
  return tokenizer;
}

/**
 * Whatever the model: a tokenizer file, a folder that holds one, or a GGUF.
 * @throws InputError if there is no tokenizer that we can use
 */
export function openTokenizer(path: string, options: LoadTokenizerOptions = {}): Tokenizer {
  return embeddedTokenizer(path, options) ?? loadTokenizer(path, options);
}

/** The folder of a weight file without a tokenizer inside; every other path is itself. */
export function tokenizerSource(path: string): string {
  const isWeights = /\.(gguf|ckpt|bin|pt|safetensors(\.index\.json)?)$/.test(path);
  if (fileStatus(path) === undefined) throw new InputError(`${path} does not exist; check the path.`);
  return isWeights && !holdsTokenizer(path) ? dirname(path) : path;
}

/** Is it a GGUF with a tokenizer inside? */
export function holdsTokenizer(path: string): boolean {
  return embeddedFiles(path).names.some(isTokenizerFile);
}

/** That inside the GGUF at `path`; undefined for everything else. */
function embeddedTokenizer(path: string, options: LoadTokenizerOptions): Tokenizer | undefined {
  const files = embeddedFiles(path);
  const name = files.names.find(isTokenizerFile);
  const bytes = name === undefined ? undefined : files.read(name);
  if (name === undefined || bytes === undefined) return undefined;
  const sourceOf = (file: string): string => `${path} (${file})`;
  const tokens = parseFolderTokens((file) => {
    const content = files.read(file);
    if (content === undefined) return undefined;
    const source = sourceOf(file);
    return { json: parseJson(content.toString('utf8'), source), source };
  });
  return parseTokenizer(bytes, sourceOf(name), options, tokens);
}
