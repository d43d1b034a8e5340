/** Extends a tokenizer's vocabulary by the pieces of another. */
import { readFileSync } from 'node:fs';
import { InputError, messageOf } from '../../errors/index.js';
import { mergeSentencePiece, sentencePieceRowSources } from './merge-sentencepiece.js';
import { mergeTokenizerJson, tokenizerJsonRowSources } from './merge-tokenizer-json.js';

export interface NamedFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface MergedVocabulary {
  /** The file to write: of the base's format. */
  readonly content: Uint8Array | string;
  /** Ids of the base, and in all. */
  readonly baseSize: number;
  readonly size: number;
  /** The new tokens, in order of their ids from `baseSize` on. */
  readonly added: readonly string[];
}

/**
 * The base with those pieces of `add` that it lacks, on new ids; ids of the base stay. Both are `.model` files of one
 * algorithm, or both tokenizer.json with BPE.
 * @throws InputError for files that cannot be read or do not fit each other
 */
export function mergeVocabularies(base: string, add: string): MergedVocabulary {
  const [first, second] = [readNamed(base), readNamed(add)];
  return isJson(first, second) ? mergeTokenizerJson(first, second) : mergeSentencePiece(first, second);
}

/**
 * How to begin the embedding rows of a merged vocabulary: for each new id, from the base's size on, the ids of the base
 * whose rows' mean it starts with. They are what the base made of the new piece. Empty where the base can make nothing
 * of it (a new special token): begin such a row as the mean of all rows.
 * @throws InputError for files that cannot be read, and if `merged` does not extend `base`
 */
export function newRowSources(base: string, merged: string): number[][] {
  const [first, second] = [readNamed(base), readNamed(merged)];
  return isJson(first, second)
    ? tokenizerJsonRowSources(first, second)
    : sentencePieceRowSources(first, second);
}

function readNamed(path: string): NamedFile {
  try {
    return { path, bytes: readFileSync(path) };
  } catch (error) {
    throw new InputError(`The tokenizer ${path} cannot be read: ${messageOf(error)}.`);
  }
}

function isJson(a: NamedFile, b: NamedFile): boolean {
  const [first, second] = [a, b].map(
    ({ bytes }) => /^\s*\{/.test(Buffer.from(bytes.subarray(0, 16)).toString('latin1')) && bytes[0] !== 0x0a,
  );
  if (first !== second) {
    throw new InputError(
      `${a.path} and ${b.path} are of two formats; merge two .model files or two tokenizer.json files.`,
    );
  }
  return first === true;
}
