/** The BPE model of a tokenizer.json. */
import { InputError } from '../../errors/index.js';
import { BpeMerger } from '../bpe-merge.js';
import { type JsonFields, shown } from '../json-fields.js';
import { PairTable } from '../pair-table.js';
import { BYTE_CHARACTERS, toByteCharacters } from './byte-alphabet.js';

/** Ids beyond this are a sign of damage: tables are as long as the highest id. */
export const MAX_TOKEN_ID = 2 ** 22 - 1;
/** Words up to this many UTF-16 units are remembered with their ids … */
const MAX_CACHED_UNITS = 24;
/** … until there are so many; then all are forgotten. */
const MAX_CACHED_WORDS = 2 ** 16;

/** The BPE model of a tokenizer.json: one pre-tokenized word to ids. */
export class BpeModel {
  readonly ids: ReadonlyMap<string, number>;
  readonly unkId: number | undefined;
  readonly #table: PairTable;
  readonly #merger: BpeMerger;
  readonly #byteLevel: boolean;
  readonly #byteFallback: boolean;
  readonly #fuseUnk: boolean;
  readonly #ignoreMerges: boolean;
  readonly #wordPrefix: string;
  readonly #wordSuffix: string;
  /** Id of each byte's character in byte-level mode; undefined if one is missing and words need the slow way. */
  readonly #byteIds: Int32Array | undefined;
  /** Ids of `<0x00>` … `<0xFF>`, -1 where missing. */
  readonly #fallbackIds: Int32Array;
  readonly #cache = new Map<string, readonly number[]>();
  #symbols = new Int32Array(256);
  #ranks = new Int32Array(256);

  /** @param byteLevel whether words are to be read as bytes in the byte-level alphabet. */
  constructor(fields: JsonFields, byteLevel: boolean) {
    if (fields.string('type', 'BPE') !== 'BPE') throw fields.unsupported('model', 'BPE');
    if (fields.has('dropout') && fields.value('dropout') !== 0) {
      throw fields.mismatch('dropout', 'null (encoding must not be random)');
    }
    const vocab = fields.object('vocab');
    const ids = new Map<string, number>();
    for (const [token] of vocab.entries()) ids.set(token, vocab.integer(token, MAX_TOKEN_ID));
    this.ids = ids;
    this.#byteLevel = byteLevel;
    this.#byteFallback = fields.boolean('byte_fallback', false);
    this.#fuseUnk = fields.boolean('fuse_unk', false);
    this.#ignoreMerges = fields.boolean('ignore_merges', false);
    this.#wordPrefix = fields.string('continuing_subword_prefix', '');
    this.#wordSuffix = fields.string('end_of_word_suffix', '');
    if (fields.has('unk_token')) {
      this.unkId = ids.get(fields.string('unk_token'));
      if (this.unkId === undefined) throw fields.mismatch('unk_token', 'a token of the vocabulary');
    }
    this.#table = readMerges(fields, ids, this.#wordPrefix);
    this.#merger = new BpeMerger(this.#table);
    const byteIds = Int32Array.from(BYTE_CHARACTERS, (character) => ids.get(character) ?? -1);
    const plain = this.#wordPrefix === '' && this.#wordSuffix === '';
    this.#byteIds = byteLevel && plain && !byteIds.includes(-1) ? byteIds : undefined;
    this.#fallbackIds = Int32Array.from({ length: 256 }, (_, byte) => ids.get(byteToken(byte)) ?? -1);
  }

  /** Appends the ids of a word. */
  encodeWord(word: string, out: number[]): void {
    if (word.length > MAX_CACHED_UNITS) {
      this.#encode(word, out);
      return;
    }
    let ids = this.#cache.get(word);
    if (!ids) {
      const fresh: number[] = [];
      this.#encode(word, fresh);
      if (this.#cache.size >= MAX_CACHED_WORDS) this.#cache.clear();
      this.#cache.set(word, fresh);
      ids = fresh;
    }
    for (let index = 0; index < ids.length; index++) out.push(ids[index]!);
  }

  #encode(word: string, out: number[]): void {
    const characters =
      this.#byteLevel && (this.#ignoreMerges || !this.#byteIds) ? toByteCharacters(word) : word;
    const whole = this.#ignoreMerges ? this.ids.get(characters) : undefined;
    if (whole !== undefined) {
      out.push(whole);
      return;
    }
    this.#reserve(word.length * 4);
    const count = this.#byteIds ? this.#byteSymbols(word, this.#byteIds) : this.#characterSymbols(characters);
    const symbols = this.#symbols;
    const ranks = this.#ranks;
    for (let index = 0; index < count - 1; index++) {
      ranks[index] = this.#table.rankOf(symbols[index]!, symbols[index + 1]!);
    }
    const length = this.#merger.merge(symbols, ranks, count);
    for (let index = 0; index < length; index++) out.push(symbols[index]!);
  }

  /** One symbol per UTF-8 byte; returns their number. */
  #byteSymbols(word: string, byteIds: Int32Array): number {
    const symbols = this.#symbols;
    let count = 0;
    for (let index = 0; index < word.length; index++) {
      let code = word.charCodeAt(index);
      if (code < 0x80) {
        symbols[count++] = byteIds[code]!;
        continue;
      }
      if (code < 0x800) symbols[count++] = byteIds[0xc0 | (code >> 6)]!;
      else {
        if (code >= 0xd800 && code < 0xdc00) {
          code = word.codePointAt(index++)!;
          symbols[count++] = byteIds[0xf0 | (code >> 18)]!;
          symbols[count++] = byteIds[0x80 | ((code >> 12) & 0x3f)]!;
        } else symbols[count++] = byteIds[0xe0 | (code >> 12)]!;
        symbols[count++] = byteIds[0x80 | ((code >> 6) & 0x3f)]!;
      }
      symbols[count++] = byteIds[0x80 | (code & 0x3f)]!;
    }
    return count;
  }

  /** One symbol per character, its byte tokens, the unknown token, or nothing: in this order of preference. */
  #characterSymbols(text: string): number {
    const symbols = this.#symbols;
    let count = 0;
    let afterUnknown = false;
    let start = 0;
    for (const character of text) {
      const prefix = start > 0 ? this.#wordPrefix : '';
      start += character.length;
      const suffix = start === text.length ? this.#wordSuffix : '';
      const token = prefix + character + suffix;
      const id = this.ids.get(token);
      if (id !== undefined) {
        symbols[count++] = id;
        afterUnknown = false;
        continue;
      }
      const bytes = this.#byteFallback ? Buffer.from(token) : undefined;
      if (bytes?.every((byte) => this.#fallbackIds[byte]! >= 0)) {
        if (count + bytes.length > symbols.length) this.#reserve(symbols.length * 2 + bytes.length);
        for (const byte of bytes) symbols[count++] = this.#fallbackIds[byte]!;
      } else if (this.unkId !== undefined) {
        if (!afterUnknown || !this.#fuseUnk) symbols[count++] = this.unkId;
        afterUnknown = true;
      }
    }
    return count;
  }

  #reserve(count: number): void {
    if (this.#symbols.length >= count) return;
    const symbols = new Int32Array(count * 2);
    symbols.set(this.#symbols);
    this.#symbols = symbols;
    this.#ranks = new Int32Array(count * 2);
  }
}

/** `<0x0A>` for 10. */
export function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}

/** Merges as `"a b"` strings or as pairs; the rank is the position. */
function readMerges(fields: JsonFields, ids: ReadonlyMap<string, number>, wordPrefix: string): PairTable {
  const merges = fields.array('merges');
  const table = new PairTable(merges.length);
  for (const [rank, merge] of merges.entries()) {
    const parts: readonly unknown[] =
      typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? merge : [];
    const [left, right] = parts;
    const location = `${fields.at('merges')}[${rank}]`;
    if (parts.length !== 2 || typeof left !== 'string' || typeof right !== 'string') {
      throw new InputError(`${location} must be "left right" or ["left", "right"], found ${shown(merge)}.`);
    }
    const merged = left + right.slice(wordPrefix.length);
    const [leftId, rightId, mergedId] = [left, right, merged].map((token) => {
      const id = ids.get(token);
      if (id === undefined) {
        throw new InputError(
          `${location}: ${shown(token)} is not in the vocabulary (merge ${shown(merge)}).`,
        );
      }
      return id;
    });
    table.set(leftId!, rightId!, rank, mergedId!);
  }
  return table;
}
