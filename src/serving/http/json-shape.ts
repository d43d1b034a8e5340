/** How large JSON is, counted from its bytes before anything is made of them. */

export interface JsonShape {
  /** Deepest nesting of lists and objects. */
  readonly depth: number;
  /** Objects, lists and keys: each costs as much time as hundreds of bytes of text. */
  readonly parts: number;
  /** Items of lists and values of objects. */
  readonly values: number;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Takes the bytes in pieces, so that other work can have its turn between two of them. */
export class JsonMeter implements JsonShape {
  depth = 0;
  parts = 0;
  values = 0;
  #level = 0;
  #isString = false;
  #isEscaped = false;

  push(bytes: Uint8Array): void {
    let level = this.#level;
    let isString = this.#isString;
    let isEscaped = this.#isEscaped;
    for (const byte of bytes) {
      if (isString) {
        if (isEscaped) isEscaped = false;
        else if (byte === BACKSLASH) isEscaped = true;
        else if (byte === QUOTE) isString = false;
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
}
