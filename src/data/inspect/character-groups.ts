/** Tokens that make up one character together, as byte tokens do: found by UTF-8, shown as one. */
import type { TokenView } from './row-view.js';

/** Follows bytes of UTF-8 over the borders of tokens. */
export class CharacterBorders {
  #missing = 0;

  /**
   * @param bytes of the next token; undefined for one that is no text
   * @returns whether a character is still incomplete after it
   */
  push(bytes: Uint8Array | undefined): boolean {
    if (bytes === undefined) this.#missing = 0;
    for (const byte of bytes ?? []) {
      const isContinuation = (byte & 0xc0) === 0x80;
      // A byte out of place begins anew: what was there is no character.
      if (isContinuation && this.#missing > 0) this.#missing -= 1;
      else this.#missing = continuationBytes(byte);
    }
    return this.#missing > 0;
  }
}

/** How many bytes follow a leading one (RFC 3629). */
function continuationBytes(byte: number): number {
  if (byte >= 0xc2 && byte <= 0xdf) return 1;
  if (byte >= 0xe0 && byte <= 0xef) return 2;
  return byte >= 0xf0 && byte <= 0xf4 ? 3 : 0;
}

/** Some decoders give the character of several bytes only with the token after them; here it comes with its last byte. */
export class LateCharacters {
  #bytes: number[] = [];
  #given = '';

  /** @param text what the decoder gave for the token @returns what the token adds */
  textOf(text: string, bytes: Uint8Array | undefined, endsInCharacter: boolean): string {
    const own = text.startsWith(this.#given) ? text.slice(this.#given.length) : text;
    if (text !== '') this.#given = '';
    const isWithin = this.#bytes.length > 0;
    if (bytes === undefined || !(isWithin || endsInCharacter)) {
      this.#bytes = [];
      return own;
    }
    this.#bytes.push(...bytes);
    if (endsInCharacter) return own;
    const character = Buffer.from(this.#bytes).toString('utf8');
    this.#bytes = [];
    if (own !== '' || character.includes('\ufffd')) return own;
    this.#given += character;
    return character;
  }
}

/** Neighbours that share a character, together; all others alone. */
export function characterGroups(tokens: readonly TokenView[]): TokenView[][] {
  const groups: TokenView[][] = [];
  let isOpen = false;
  for (const token of tokens) {
    const last = groups.at(-1);
    // An open character ends before a token that is no text; such a token has text or is special, and stands alone.
    if (isOpen && last !== undefined && token.isBytes) last.push(token);
    else groups.push([token]);
    isOpen = token.endsInCharacter;
  }
  return groups;
}
