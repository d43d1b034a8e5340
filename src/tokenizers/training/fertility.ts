/** Fertility of a tokenizer: tokens per character and word, by kind of text. */
import type { Tokenizer } from '../tokenizer.js';

export const TEXT_KINDS = ['chinese', 'latin', 'digits_and_code', 'other'] as const;
export type TextKind = (typeof TEXT_KINDS)[number];

/** Sums; the rates are made of them by `fertilityRates`. */
export interface FertilityCounts {
  readonly characters: number;
  /** UTF-8. */
  readonly bytes: number;
  /** By the word breaks of Unicode with its dictionaries, so Chinese has words too. */
  readonly words: number;
  readonly tokens: number;
  /** Tokens that are the unknown piece. */
  readonly unknown: number;
}

export interface FertilityRates {
  readonly tokens_per_character: number;
  readonly tokens_per_word: number;
  readonly bytes_per_token: number;
  readonly unknown_rate: number;
}

/** The rates of sums; those of nothing are 0. */
export function fertilityRates(counts: FertilityCounts): FertilityRates {
  const ratio = (a: number, b: number): number => (b === 0 ? 0 : a / b);
  return {
    tokens_per_character: ratio(counts.tokens, counts.characters),
    tokens_per_word: ratio(counts.tokens, counts.words),
    bytes_per_token: ratio(counts.bytes, counts.tokens),
    unknown_rate: ratio(counts.unknown, counts.tokens),
  };
}

type Sums = { -readonly [Key in keyof FertilityCounts]: number };

const HAN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u303f\uff00-\uffef]/u;
const LATIN = /\p{Script=Latin}/u;
const CODE = /[\p{N}!-/:-@[-`{-~\s]/u;
/** How far behind the last found place the text of the next token is looked for. */
const REACH = 64;

/** Counts texts, one after the other. */
export class FertilityMeter {
  readonly #tokenizer: Tokenizer;
  readonly #sums: Readonly<Record<TextKind, Sums>>;
  readonly #words = new Intl.Segmenter('zh', { granularity: 'word' });

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    this.#sums = { chinese: zeros(), latin: zeros(), digits_and_code: zeros(), other: zeros() };
  }

  /** Sums so far of one kind of writing, or of all. */
  counts(kind?: TextKind): FertilityCounts {
    if (kind !== undefined) return { ...this.#sums[kind] };
    const total = zeros();
    for (const sums of Object.values(this.#sums)) {
      for (const key of Object.keys(total) as (keyof Sums)[]) total[key] += sums[key];
    }
    return total;
  }

  add(text: string): void {
    this.#addCharacters(text);
    for (const { segment, isWordLike } of this.#words.segment(text)) {
      if (isWordLike) this.#sums[textKindOf(segment)].words += 1;
    }
    this.#addTokens(text);
  }

  /** White space counts with what follows it, as in most tokens. */
  #addCharacters(text: string): void {
    let spaces = 0;
    for (const character of text) {
      if (character.trim() === '') {
        spaces += 1;
        continue;
      }
      const sums = this.#sums[textKindOf(character)];
      sums.characters += 1 + spaces;
      sums.bytes += Buffer.byteLength(character) + spaces;
      spaces = 0;
    }
    this.#sums.digits_and_code.characters += spaces;
    this.#sums.digits_and_code.bytes += spaces;
  }

  /** Each token counts with the first character that it spells; the bytes of a character with that character. */
  #addTokens(text: string): void {
    const stream = this.#tokenizer.createDecodeStream();
    let waiting = 0;
    let at = 0;
    const spell = (surface: string): void => {
      const trimmed = surface.trim();
      if (surface === '') return;
      this.#sums[textKindOf(trimmed || ' ')].tokens += waiting;
      waiting = 0;
      const ahead = text.slice(at, at + trimmed.length + REACH);
      const found = trimmed === '' ? ahead.search(/\s/) : ahead.indexOf(trimmed);
      if (found >= 0) at += found + Math.max(trimmed.length, 1);
    };
    for (const id of this.#tokenizer.encode(text)) {
      if (id === this.#tokenizer.unkTokenId) {
        stream.push(id);
        // One unknown piece may stand for a run of characters; the next known one finds the place again.
        while (at < text.length && text[at]!.trim() === '') at += 1;
        const character =
          text.codePointAt(at) === undefined ? ' ' : String.fromCodePoint(text.codePointAt(at)!);
        at += character.length;
        const sums = this.#sums[textKindOf(character)];
        sums.tokens += 1 + waiting;
        sums.unknown += 1;
        waiting = 0;
        continue;
      }
      waiting += 1;
      spell(stream.push(id));
    }
    spell(stream.end());
    this.#sums.other.tokens += waiting;
  }
}

function zeros(): Sums {
  return { characters: 0, bytes: 0, words: 0, tokens: 0, unknown: 0 };
}

/** The kind of a text's first character. */
function textKindOf(text: string): TextKind {
  const [character = ' '] = text;
  if (HAN.test(character)) return 'chinese';
  if (LATIN.test(character)) return 'latin';
  return CODE.test(character) ? 'digits_and_code' : 'other';
}
