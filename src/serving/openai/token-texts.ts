/** Single tokens as text and as bytes, for log-probabilities. */
import { InputError } from '../../errors/index.js';
import { bytesOfToken, type Tokenizer } from '../../tokenizers/index.js';

const REPLACEMENT = '\ufffd';

export class TokenTexts {
  readonly #tokenizer: Tokenizer;
  /** A token that is one letter: behind it a token keeps the space that it would lose at the beginning of a text. */
  readonly #anchor: readonly number[];
  readonly #anchorLength: number;
  readonly #texts = new Map<number, string>();

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    this.#anchor = tokenizer.encode('a').slice(-1);
    this.#anchorLength = tokenizer.decode(this.#anchor).length;
  }

  /** What the token adds to a text; with U+FFFD where it is a piece of a character. '' for an id without a token. */
  text(id: number): string {
    const known = this.#texts.get(id);
    if (known !== undefined) return known;
    const text = this.#decode(id);
    this.#texts.set(id, text);
    return text;
  }

  bytes(id: number): Uint8Array {
    const text = this.text(id);
    if (!text.includes(REPLACEMENT)) return Buffer.from(text);
    const token = this.#tokenizer.idToToken(id);
    const fallback = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
    return fallback === undefined ? bytesOfToken(token) : Uint8Array.of(Number.parseInt(fallback, 16));
  }

  /** The text, or for a piece of a character OpenAI's `bytes:\xe4`: no two tokens of broken characters look the same. */
  name(id: number): string {
    const text = this.text(id);
    // Tokens without a text, such as the end, by what the tokenizer calls them.
    if (text === '') return this.#orEmpty(() => this.#tokenizer.idToToken(id));
    if (!text.includes(REPLACEMENT)) return text;
    return `bytes:${[...this.bytes(id)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`;
  }

  #decode(id: number): string {
    return this.#orEmpty(() => this.#tokenizer.decode([...this.#anchor, id]).slice(this.#anchorLength));
  }

  /** Vocabularies are padded beyond their tokenizers, and have ids without a token. */
  #orEmpty(read: () => string): string {
    try {
      return read();
    } catch (error) {
      if (error instanceof InputError) return '';
      throw error;
    }
  }
}
