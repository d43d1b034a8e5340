/** What a tokenizer is, whatever its file. */
import { InputError } from '../errors/index.js';

/** How text becomes ids. */
export interface EncodeOptions {
  /** Add what the tokenizer's own files say belongs around a text (bos, eos, a template). Default false. */
  readonly addSpecialTokens?: boolean;
  /** U+FDD0 in the text is no character but a border that no token spans (see literal-text.ts). Default false. */
  readonly hasCuts?: boolean;
}

/** How ids become text. */
export interface DecodeOptions {
  /** Leave out special tokens. Default false. */
  readonly skipSpecialTokens?: boolean;
}

/** Turns ids into text one by one. The pieces returned, joined, are what `decode` gives for all ids. */
export interface DecodeStream {
  /** Takes the next id; returns the text that no later id can change, '' if there is none yet. */
  push(id: number): string;
  /** The rest, once no id follows. The stream is spent. */
  end(): string;
}

/** Text to ids and back. Encoding and decoding are synchronous; one object serves one thread. */
export interface Tokenizer {
  /** Highest id + 1, added tokens included: the rows that an embedding needs. */
  readonly vocabSize: number;
  /** Begins a text; undefined: there is none. */
  readonly bosTokenId: number | undefined;
  /** Ends a text; undefined: there is none. */
  readonly eosTokenId: number | undefined;
  /** Fills up rows; undefined: there is none. */
  readonly padTokenId: number | undefined;
  /** Stands for what cannot be spelled; undefined: there is none. */
  readonly unkTokenId: number | undefined;
  /** Names of special tokens that `encode` would recognise in a text. */
  readonly specialTexts: readonly string[];
  /** Ids of a text. Special tokens standing in the text are recognised where the files declare them as added. */
  encode(text: string, options?: EncodeOptions): number[];
  /** Text of ids; U+FFFD only where they spell no valid UTF-8. Throws InputError for an id outside the vocabulary. */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
  /** The id of a token as the file spells it; undefined for none. */
  tokenToId(token: string): number | undefined;
  /** The token as the file spells it. Throws InputError for an id outside the vocabulary. */
  idToToken(id: number): string;
  /**
   * UTF-8 that the id adds to a text that has begun; part of a character for a byte piece. Undefined for what is no
   * text: special, control and unknown tokens, and unused ids. Throws InputError for an id outside the vocabulary.
   */
  tokenBytes(id: number): Uint8Array | undefined;
  /** For ids that come one by one. */
  createDecodeStream(options?: DecodeOptions): DecodeStream;
}

/** Feeds all ids to a stream. */
export function decodeAll(stream: DecodeStream, ids: ArrayLike<number>): string {
  let text = '';
  for (let index = 0; index < ids.length; index++) text += stream.push(ids[index]!);
  return text + stream.end();
}

/** The InputError for an id that names no token. */
export function unknownIdError(id: number, vocabSize: number): InputError {
  return new InputError(
    `Token id ${id} is outside the vocabulary: ids go from 0 to ${vocabSize - 1}. The ids come from another tokenizer, or the model's vocabulary is larger than the tokenizer's.`,
  );
}

/** Lone surrogates have no UTF-8; like every UTF-8 encoder we read U+FFFD in their place. */
export function replaceLoneSurrogates(text: string): string {
  return /[\ud800-\udfff]/.test(text) ? text.replace(/\p{Surrogate}/gu, '\ufffd') : text;
}
