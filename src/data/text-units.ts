/**
 * Texts as rows of hashed units, for comparing texts across punctuation, case, width and spacing: a character of a script
 * written without spaces (Chinese, Japanese, Thai, …) is a unit, and so is a run of other letters and digits (a word).
 */

/** Reused from text to text; valid until the next call. */
export interface TextUnits {
  readonly length: number;
  /** 32-bit hash of each unit. */
  readonly hashes: Uint32Array;
  /** 1 where the unit is a character of its own, 0 where it is a word. */
  readonly isCharacter: Uint8Array;
  /** UTF-16 offsets in the text, from and to. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
}

const SKIP = 0;
const WORD = 1;
const CHARACTER = 2;

/** Class of each UTF-16 unit, found once. */
const classes = new Uint8Array(0x10000);
/** What a unit counts as: lower case, half width; 0 where it must be worked out by normalize. */
const folded = new Uint16Array(0x10000);
for (let unit = 0; unit < 0x10000; unit += 1) {
  const plain = String.fromCharCode(unit).normalize('NFKC').toLowerCase();
  folded[unit] = plain.length === 1 ? plain.charCodeAt(0) : unit;
  const character = String.fromCharCode(folded[unit]!);
  if (isUnspaced(folded[unit]!)) classes[unit] = CHARACTER;
  else if (/[\p{L}\p{N}\p{M}]/u.test(character)) classes[unit] = WORD;
  else classes[unit] = SKIP;
}

function isUnspaced(unit: number): boolean {
  return (
    (unit >= 0x3400 && unit <= 0x9fff) || // CJK ideographs
    (unit >= 0x3040 && unit <= 0x30ff) || // kana
    (unit >= 0xf900 && unit <= 0xfaff) ||
    (unit >= 0x0e00 && unit <= 0x0eff) || // Thai, Lao
    (unit >= 0xd800 && unit <= 0xdfff) // halves of rarer ideographs and emoji
  );
}

export class TextSplitter implements TextUnits {
  length = 0;
  hashes = new Uint32Array(1024);
  isCharacter = new Uint8Array(1024);
  starts = new Uint32Array(1024);
  ends = new Uint32Array(1024);

  /** Fills this with the units of `text`. */
  split(text: string): TextUnits {
    if (this.hashes.length < text.length) this.#grow(text.length);
    const { hashes, isCharacter, starts, ends } = this;
    const size = text.length;
    let count = 0;
    for (let at = 0; at < size; ) {
      const unit = text.charCodeAt(at);
      const kind = classes[unit];
      if (kind === SKIP) {
        at += 1;
        continue;
      }
      starts[count] = at;
      // FNV-1a over UTF-16 units, folded.
      let hash = Math.imul(0x811c9dc5 ^ folded[unit]!, 0x01000193);
      at += 1;
      if (kind === WORD) {
        for (; at < size; at += 1) {
          const next = text.charCodeAt(at);
          if (classes[next] !== WORD) break;
          hash = Math.imul(hash ^ folded[next]!, 0x01000193);
        }
      }
      hashes[count] = mix32(hash);
      isCharacter[count] = kind === WORD ? 0 : 1;
      ends[count] = at;
      count += 1;
    }
    this.length = count;
    return this;
  }

  #grow(size: number): void {
    const length = 2 ** Math.ceil(Math.log2(size));
    this.hashes = new Uint32Array(length);
    this.isCharacter = new Uint8Array(length);
    this.starts = new Uint32Array(length);
    this.ends = new Uint32Array(length);
  }
}

/** MurmurHash3's finaliser: every bit of the input reaches every bit of the result. */
export function mix32(value: number): number {
  let mixed = value;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
