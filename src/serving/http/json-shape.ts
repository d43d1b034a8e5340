/** How large JSON is, counted from its bytes before anything is made of them. */

export interface JsonShape {
  /** Deepest nesting of lists and objects. */
  readonly depth: number;
  /** Objects, lists and keys: each costs as much time as hundreds of bytes of text. */
  readonly parts: number;
  /** Items of lists and values of objects. */
  readonly values: number;
  /** The first half of a character that stands alone, such as `\ud83d`, and the byte behind which it was noticed. */
  readonly loneSurrogate: { readonly shown: string; readonly byte: number } | undefined;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const LETTER_U = 0x75;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Takes the bytes in pieces, so that other work can have its turn between two of them. */
export class JsonMeter implements JsonShape {
  depth = 0;
  parts = 0;
  values = 0;
  loneSurrogate: JsonShape['loneSurrogate'];
  #level = 0;
  #isString = false;
  #isEscaped = false;
  /** Hexadecimal digits of \u that are still to come, and the unit of those that came. */
  #digitsLeft = 0;
  #unit = 0;
  /** The first half of a pair; 0: none waits for its second. */
  #high = 0;
  #bytes = 0;

  push(bytes: Uint8Array): void {
    let level = this.#level;
    let isString = this.#isString;
    let isEscaped = this.#isEscaped;
    let at = this.#bytes;
    this.#bytes += bytes.length;
    for (const byte of bytes) {
      at += 1;
      if (isString) {
        if (this.#digitsLeft > 0) this.#addDigit(byte, at);
        else if (isEscaped) {
          isEscaped = false;
          if (byte === LETTER_U) this.#digitsLeft = 4;
          else if (this.#high !== 0) this.#foundLone(this.#high, at);
        } else if (byte === BACKSLASH) isEscaped = true;
        else {
          if (this.#high !== 0) this.#foundLone(this.#high, at);
          if (byte === QUOTE) isString = false;
        }
        continue;
      }
      switch (byte) {
        case QUOTE:
          isString = true;
          break;
        case COMMA:
          this.values += 1;
          break;
        case COLON:
          this.parts += 1;
          break;
        case OPEN_LIST:
        case OPEN_OBJECT:
          this.parts += 1;
          level += 1;
          if (level > this.depth) this.depth = level;
          break;
        case CLOSE_LIST:
        case CLOSE_OBJECT:
          level -= 1;
          break;
      }
    }
    this.#level = level;
    this.#isString = isString;
    this.#isEscaped = isEscaped;
  }

  #addDigit(byte: number, at: number): void {
    const digit = Number.parseInt(String.fromCharCode(byte), 16);
    // No digit: JSON.parse will say so.
    if (Number.isNaN(digit)) {
      this.#digitsLeft = 0;
      this.#unit = 0;
      return;
    }
    this.#unit = 16 * this.#unit + digit;
    this.#digitsLeft -= 1;
    if (this.#digitsLeft > 0) return;
    const unit = this.#unit;
    const isLow = unit >= 0xdc00 && unit <= 0xdfff;
    if (this.#high !== 0 && !isLow) this.#foundLone(this.#high, at);
    if (this.#high === 0 && isLow) this.#foundLone(unit, at);
    this.#high = unit >= 0xd800 && unit <= 0xdbff ? unit : 0;
    this.#unit = 0;
  }

  #foundLone(unit: number, byte: number): void {
    this.loneSurrogate ??= { shown: `\\u${unit.toString(16)}`, byte };
    this.#high = 0;
  }
}
