/** The pieces of a SentencePiece model by text, id and byte. */
import { Trie } from '../trie.js';
import { byteOfPiece, isMatchable, type PieceType, type SentencePieceModel } from './model-file.js';

/** Turns normalised text into ids, appending to `out`. */
export interface PieceEncoder {
  encode(normalized: string, out: number[]): void;
}

/** Look-ups that both algorithms and decoding share. */
export class PieceVocabulary {
  readonly model: SentencePieceModel;
  /** Ids by text; control, unknown and byte pieces come before others of the same text, as in SentencePiece. */
  readonly ids = new Map<string, number>();
  readonly userDefined = new Trie();
  readonly unkId: number;
  /** The byte that an id stands for, -1 if it is no byte piece. */
  readonly byteOf: Int16Array;
  readonly #idOfByte = new Int32Array(256);

  constructor(model: SentencePieceModel) {
    this.model = model;
    this.byteOf = new Int16Array(model.pieces.length).fill(-1);
    let unkId = 0;
    for (const [id, { text, type }] of model.pieces.entries()) {
      if (!isMatchable(type) || !this.ids.has(text)) this.ids.set(text, id);
      if (type === 'user-defined') this.userDefined.add(text, id);
      if (type === 'unknown') unkId = id;
      const byte = type === 'byte' ? byteOfPiece(text) : undefined;
      if (byte === undefined) continue;
      this.byteOf[id] = byte;
      this.#idOfByte[byte] = id;
    }
    this.unkId = unkId;
  }

  get size(): number {
    return this.model.pieces.length;
  }

  /** Id of a piece if its type is among `types`. */
  idOfType(text: string, type: PieceType): number | undefined {
    const id = this.ids.get(text);
    return id !== undefined && this.model.pieces[id]?.type === type ? id : undefined;
  }

  /** Appends a character that no piece covers: its bytes, or the unknown id, once for a run of them. */
  appendUnknown(codePoint: number, out: number[], runStart: number): void {
    if (!this.model.byteFallback) {
      if (out.length === runStart || out[out.length - 1] !== this.unkId) out.push(this.unkId);
      return;
    }
    if (codePoint < 0x80) {
      out.push(this.#idOfByte[codePoint]!);
      return;
    }
    if (codePoint < 0x800) out.push(this.#idOfByte[0xc0 | (codePoint >> 6)]!);
    else {
      if (codePoint < 0x10000) out.push(this.#idOfByte[0xe0 | (codePoint >> 12)]!);
      else {
        out.push(this.#idOfByte[0xf0 | (codePoint >> 18)]!);
        out.push(this.#idOfByte[0x80 | ((codePoint >> 12) & 0x3f)]!);
      }
      out.push(this.#idOfByte[0x80 | ((codePoint >> 6) & 0x3f)]!);
    }
    out.push(this.#idOfByte[0x80 | (codePoint & 0x3f)]!);
  }
}
