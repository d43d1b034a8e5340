/**
 * Texts of others, such as messages, in which the name of a special token is a word like any other: `<end>` typed by a user must
 * not end the turn. Such names are cut by a mark that tokenizers take for a border between two tokens and no character.
 */
import type { DecodeOptions, DecodeStream, EncodeOptions, Tokenizer } from './tokenizer.js';
import { Trie } from './trie.js';

/** Noncharacter: no text that is meant for others holds it. */
export const CUT = '\ufdd0';

/** Tokens that look like marks are none that a text would be written with. */
export function looksSpecial(token: string): boolean {
  return /^(?:<.+>|\[[^\s\]]+\])$/su.test(token);
}

interface Literal {
  readonly names: Trie;
  readonly tokenizer: Tokenizer;
}

const literals = new WeakMap<Tokenizer, Map<string, Literal>>();

/**
 * The same text, in which no special token is recognised once `cutTokenizer` encodes it. Without any it stays as it is.
 * @param marks further names, of a chat format whose marks are no tokens of their own
 */
export function literalText(text: string, tokenizer: Tokenizer, marks: readonly string[] = []): string {
  const { names } = literalOf(tokenizer, marks);
  let out = '';
  let done = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit === CUT_UNIT) {
      out += `${text.slice(done, index)}\ufffd`;
      done = index + 1;
    } else if (names.longestMatch(text, index) > 0 || (unit > 0x7f && becomesStart(text, index, names))) {
      const end = index + (text.codePointAt(index) === unit ? 1 : 2);
      out += text.slice(done, end) + CUT;
      done = end;
    }
  }
  return done === 0 ? text : out + text.slice(done);
}

/** Whose a unit (UTF-16) of a text is: our own, of a text of others, or of an answer, which may spell its thoughts and calls. */
export type UnitOrigin = 'own' | 'foreign' | 'answer';

/**
 * Places in a text of several origins at which `CUT` is to stand, so that only our own special tokens are recognised. Of a text
 * that is an `answer`, the tokens of thoughts and calls (`<think>`, `<tool_call>`) are recognised too.
 */
export function foreignCuts(
  text: string,
  tokenizer: Tokenizer,
  originAt: (index: number) => UnitOrigin,
): number[] {
  const { names } = literalOf(tokenizer, []);
  const cuts: number[] = [];
  for (let index = 0; index < text.length; index++) {
    const length = names.longestMatch(text, index);
    if (length > 0) {
      const place = foreignPlace(text.slice(index, index + length), (at) => originAt(index + at));
      if (place === undefined) index += length - 1;
      else cuts.push(index + Math.max(place, widthAt(text, index)));
    } else if (text.charCodeAt(index) > 0x7f && originAt(index) !== 'own' && becomesStart(text, index, names))
      cuts.push(index + widthAt(text, index));
  }
  return [...new Set(cuts)].sort((a, b) => a - b);
}

/** The first unit of a name that makes it one of others; undefined where it is to be recognised. */
function foreignPlace(name: string, originAt: (index: number) => UnitOrigin): number | undefined {
  const isAllowed = ANSWER_MARK.test(name);
  for (let index = 0; index < name.length; index++) {
    const origin = originAt(index);
    if (origin === 'foreign' || (origin === 'answer' && !isAllowed)) return index;
  }
  return undefined;
}

/** What an answer itself is written with: thoughts and calls, never the borders of turns. */
const ANSWER_MARK = /^<\/?(?:think|thinking|tool_call|answer)>$/;

function widthAt(text: string, index: number): number {
  return (text.codePointAt(index) ?? 0) > 0xffff ? 2 : 1;
}

/** The text with `CUT` at these places, which are in order. */
export function withCuts(text: string, cuts: readonly number[]): string {
  let out = '';
  let done = 0;
  for (const cut of cuts) {
    out += text.slice(done, cut) + CUT;
    done = cut;
  }
  return out + text.slice(done);
}

/** The tokenizer that reads what `literalText` gives. */
export function cutTokenizer(tokenizer: Tokenizer, marks: readonly string[] = []): Tokenizer {
  return literalOf(tokenizer, marks).tokenizer;
}

/** Ids of a text without any special token of its own. */
export function encodeLiterally(tokenizer: Tokenizer, text: string, options: EncodeOptions = {}): number[] {
  return tokenizer.encode(literalText(text, tokenizer), { ...options, hasCuts: true });
}

const CUT_UNIT = CUT.charCodeAt(0);

/** Normalisation makes `<` of a full-width `＜`. */
function becomesStart(text: string, index: number, names: Trie): boolean {
  const character = String.fromCodePoint(text.codePointAt(index) ?? 0);
  const normal = character.normalize('NFKC');
  return normal !== character && names.starts[normal.charCodeAt(0)] === 1;
}

function literalOf(tokenizer: Tokenizer, marks: readonly string[]): Literal {
  const known = literals.get(tokenizer) ?? new Map<string, Literal>();
  literals.set(tokenizer, known);
  const key = marks.join('\n');
  const literal = known.get(key) ?? {
    names: trieOf([...tokenizer.specialTexts, ...marks]),
    tokenizer: new CutTokenizer(tokenizer),
  };
  known.set(key, literal);
  return literal;
}

function trieOf(names: readonly string[]): Trie {
  const trie = new Trie();
  for (const name of names) if (name !== '') trie.add(name, 1);
  return trie;
}

class CutTokenizer implements Tokenizer {
  readonly #tokenizer: Tokenizer;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  get vocabSize(): number {
    return this.#tokenizer.vocabSize;
  }

  get bosTokenId(): number | undefined {
    return this.#tokenizer.bosTokenId;
  }

  get eosTokenId(): number | undefined {
    return this.#tokenizer.eosTokenId;
  }

  get padTokenId(): number | undefined {
    return this.#tokenizer.padTokenId;
  }

  get unkTokenId(): number | undefined {
    return this.#tokenizer.unkTokenId;
  }

  get specialTexts(): readonly string[] {
    return this.#tokenizer.specialTexts;
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    return this.#tokenizer.encode(text, { ...options, hasCuts: true });
  }

  decode(ids: ArrayLike<number>, options?: DecodeOptions): string {
    return this.#tokenizer.decode(ids, options);
  }

  tokenToId(token: string): number | undefined {
    return this.#tokenizer.tokenToId(token);
  }

  idToToken(id: number): string {
    return this.#tokenizer.idToToken(id);
  }

  tokenBytes(id: number): Uint8Array | undefined {
    return this.#tokenizer.tokenBytes(id);
  }

  createDecodeStream(options?: DecodeOptions): DecodeStream {
    return this.#tokenizer.createDecodeStream(options);
  }
}
