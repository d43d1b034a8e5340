/** Cuts training text into words as SentencePiece's trainer does. */
import type { SentencePieceModel } from '../sentencepiece/model-file.js';
import { Normalizer, SPACE_MARK } from '../sentencepiece/normalizer.js';
import { Trie } from '../trie.js';
import type { NormalizationRules } from './normalization-rules.js';

/** Stands where a symbol was cut out of a sentence, and for every character outside the alphabet. */
export const BOUNDARY = '\u001f';
/** SentencePiece marks unknown characters with it while it trains, and leaves sentences that hold it out. */
export const RESERVED = '\u2585';

/** Single-character rules and what else the quick way through a sentence must know; crosses threads. */
export interface QuickRules {
  /** For each code unit: 0 stays as it is, 1 has a replacement, 2 may be part of a longer rule. */
  readonly kinds: Uint8Array;
  readonly replacements: ReadonlyMap<number, string>;
}

const REPLACED = 1;
const LONGER = 2;

export function quickRules(rules: NormalizationRules): QuickRules {
  const kinds = new Uint8Array(0x10000);
  const replacements = new Map<number, string>();
  for (const [key, value] of rules) {
    if (key.length === 1) {
      replacements.set(key.charCodeAt(0), value);
      kinds[key.charCodeAt(0)]! ||= REPLACED;
      continue;
    }
    const first = key.codePointAt(0)!;
    if (first > 0xffff) kinds[key.charCodeAt(0)] = LONGER;
    // A longer rule cannot apply where none of its later characters stands.
    for (let index = first > 0xffff ? 2 : 1; index < key.length; index++)
      kinds[key.charCodeAt(index)] = LONGER;
  }
  return { kinds, replacements };
}

export interface SentenceWordsOptions {
  readonly normalizer: Pick<
    SentencePieceModel,
    'charsmap' | 'addDummyPrefix' | 'removeExtraWhitespaces' | 'treatWhitespaceAsSuffix' | 'escapeWhitespaces'
  >;
  readonly quick: QuickRules;
  /** Control and user-defined symbols, bytes, unk: pieces never reach across one that stands in the text. */
  readonly metaPieces: readonly string[];
}

/** Cuts a sentence into words as SentencePiece's trainer does: normalised, each space beginning a word. */
export class SentenceWords {
  readonly #options: SentenceWordsOptions;
  readonly #normalizer: Normalizer;
  readonly #meta = new Trie();
  readonly #metaStarts: readonly string[];

  constructor(options: SentenceWordsOptions) {
    this.#options = options;
    const none = { pieces: [], algorithm: 'bpe', byteFallback: false, unkPiece: '' } as const;
    const names = { bosPiece: '', eosPiece: '', padPiece: '', unkSurface: '' };
    this.#normalizer = new Normalizer({ ...none, ...names, ...options.normalizer }, new Trie(), 'the rules');
    for (const piece of options.metaPieces) this.#meta.add(piece, 1);
    this.#metaStarts = [
      ...new Set(options.metaPieces.map((piece) => String.fromCodePoint(piece.codePointAt(0)!))),
    ];
  }

  /** Hands each word to `visit`; a space is the mark U+2581. */
  visit(sentence: string, visit: (word: string) => void): void {
    const { addDummyPrefix, removeExtraWhitespaces } = this.#options.normalizer;
    const quick = this.#metaStarts.some((start) => sentence.includes(start))
      ? undefined
      : this.#quick(sentence);
    if (quick === undefined || !removeExtraWhitespaces || quick.includes(SPACE_MARK)) {
      this.#visitSlowly(sentence, visit);
      return;
    }
    let isFirst = !addDummyPrefix;
    for (let start = 0; start < quick.length; ) {
      const space = quick.indexOf(' ', start);
      const end = space < 0 ? quick.length : space;
      if (end > start) {
        visit(isFirst ? quick.slice(start, end) : SPACE_MARK + quick.slice(start, end));
        isFirst = false;
      }
      start = end + 1;
    }
  }

  /** The sentence with its rules applied, if single characters are all they touch. */
  #quick(sentence: string): string | undefined {
    const { kinds, replacements } = this.#options.quick;
    let out = '';
    let start = 0;
    for (let index = 0; index < sentence.length; index++) {
      const unit = sentence.charCodeAt(index);
      const kind = kinds[unit]!;
      if (kind === 0) continue;
      if (kind === LONGER) return undefined;
      out += sentence.slice(start, index) + replacements.get(unit)!;
      start = index + 1;
    }
    return start === 0 ? sentence : out + sentence.slice(start);
  }

  #visitSlowly(sentence: string, visit: (word: string) => void): void {
    const text = this.#cutMetaPieces(this.#normalizer.normalize(sentence));
    for (let start = 0; start < text.length; ) {
      const mark = text.indexOf(SPACE_MARK, start + 1);
      const end = mark < 0 ? text.length : mark;
      visit(text.slice(start, end));
      start = end;
    }
  }

  #cutMetaPieces(text: string): string {
    let out = '';
    let start = 0;
    for (let index = 0; index < text.length; ) {
      const length = this.#meta.longestMatch(text, index);
      if (length === 0) {
        index += 1;
        continue;
      }
      out += text.slice(start, index) + BOUNDARY;
      index += length;
      start = index;
    }
    return start === 0 ? text : out + text.slice(start);
  }
}
