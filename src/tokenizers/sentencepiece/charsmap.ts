/** SentencePiece's compiled normalisation rules, as the model file holds them. */
import { InputError } from '../../errors/index.js';

const NO_NODE = -1;

/**
 * SentencePiece's compiled normalisation rules: u32 LE size of the trie in bytes, the trie, then the replacements,
 * each ending in a zero byte. The trie is a darts-clone double array over UTF-8 bytes: a unit has its label in bits
 * 0 to 7, "a value follows" in bit 8, the offset to its children from bit 10, scaled by 256 if bit 9 is set;
 * a value unit holds an offset into the replacements in bits 0 to 30.
 */
export class Charsmap {
  readonly #units: Uint32Array;
  readonly #replacements: Uint8Array;
  readonly #source: string;
  readonly #texts = new Map<number, string>();
  /** Code units of the match that `match` found last. */
  matchLength = 0;

  constructor(blob: Uint8Array, source: string) {
    const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
    const trieBytes = blob.length >= 4 ? view.getUint32(0, true) : 0;
    if (trieBytes < 4 || trieBytes % 4 !== 0 || trieBytes >= blob.length - 4) {
      throw new InputError(
        `${source}: the normaliser's rules have ${blob.length} bytes and claim a trie of ${trieBytes} of them. The file is damaged.`,
      );
    }
    this.#units = Uint32Array.from({ length: trieBytes / 4 }, (_, index) =>
      view.getUint32(4 + index * 4, true),
    );
    this.#replacements = blob.subarray(4 + trieBytes);
    this.#source = source;
  }

  /**
   * The replacement of the longest rule that stands in `text` at `start`; undefined if none does.
   * Sets `matchLength`.
   */
  match(text: string, start: number): string | undefined {
    let node = childOffset(this.#units[0]!);
    let value = -1;
    let index = start;
    while (index < text.length) {
      const codePoint = text.codePointAt(index)!;
      index += codePoint > 0xffff ? 2 : 1;
      node = this.#stepCodePoint(node, codePoint);
      if (node === NO_NODE) break;
      if (!this.#lastHadValue) continue;
      value = (this.#units[node] ?? 0) & 0x7fffffff;
      this.matchLength = index - start;
    }
    return value < 0 ? undefined : this.#replacement(value);
  }

  #lastHadValue = false;

  #stepCodePoint(from: number, codePoint: number): number {
    if (codePoint < 0x80) return this.#step(from, codePoint);
    let node = from;
    if (codePoint < 0x800) node = this.#step(node, 0xc0 | (codePoint >> 6));
    else {
      if (codePoint < 0x10000) node = this.#step(node, 0xe0 | (codePoint >> 12));
      else {
        node = this.#step(node, 0xf0 | (codePoint >> 18));
        if (node !== NO_NODE) node = this.#step(node, 0x80 | ((codePoint >> 12) & 0x3f));
      }
      if (node !== NO_NODE) node = this.#step(node, 0x80 | ((codePoint >> 6) & 0x3f));
    }
    return node === NO_NODE ? NO_NODE : this.#step(node, 0x80 | (codePoint & 0x3f));
  }

  #step(from: number, byte: number): number {
    const node = (from ^ byte) >>> 0;
    const unit = node < this.#units.length ? this.#units[node]! : 0;
    // A value unit has bit 31 set, so that it never looks like a label.
    if ((unit & 0x800000ff) >>> 0 !== byte) return NO_NODE;
    this.#lastHadValue = (unit & 0x100) !== 0;
    return (node ^ childOffset(unit)) >>> 0;
  }

  #replacement(offset: number): string {
    const known = this.#texts.get(offset);
    if (known !== undefined) return known;
    const end = this.#replacements.indexOf(0, offset);
    if (end < 0) {
      throw new InputError(
        `${this.#source}: a normalisation rule points to byte ${offset} of ${this.#replacements.length} bytes of replacements. The file is damaged.`,
      );
    }
    const text = Buffer.from(this.#replacements.subarray(offset, end)).toString('utf8');
    this.#texts.set(offset, text);
    return text;
  }
}

function childOffset(unit: number): number {
  return ((unit >>> 10) << ((unit & 0x200) >>> 6)) >>> 0;
}
