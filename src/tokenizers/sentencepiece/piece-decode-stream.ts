/** SentencePiece's decoding, as a stream. */
import { type DecodeStream, unknownIdError } from '../tokenizer.js';
import { SPACE_MARK } from './normalizer.js';
import type { PieceVocabulary } from './piece-vocabulary.js';

/**
 * SentencePiece's decoding, id by id: marks become spaces, the dummy prefix goes, runs of byte pieces become the
 * characters they spell and U+FFFD for each byte that fits no character.
 */
export class PieceDecodeStream implements DecodeStream {
  readonly #vocabulary: PieceVocabulary;
  readonly #surfaces: readonly string[];
  readonly #stripsPrefix: boolean;
  #atStart = true;
  #prefixSeen = false;
  #hasText = false;
  /** Bytes that may still become a character; at most 3. */
  readonly #pending: number[] = [];

  /** @param surfaces from `pieceSurfaces`. */
  constructor(vocabulary: PieceVocabulary, surfaces: readonly string[]) {
    this.#vocabulary = vocabulary;
    this.#surfaces = surfaces;
    this.#stripsPrefix = vocabulary.model.addDummyPrefix || vocabulary.model.removeExtraWhitespaces;
  }

  push(id: number): string {
    const surface = this.#surfaces[id];
    if (surface === undefined) throw unknownIdError(id, this.#surfaces.length);
    const byte = this.#vocabulary.byteOf[id]!;
    if (byte >= 0) {
      this.#pending.push(byte);
      return this.#note(this.#takeCharacters(false));
    }
    const before = this.#pending.length > 0 ? this.#note(this.#takeCharacters(true)) : '';
    if (!this.#atStart) return before + surface;
    return before + this.#pushAtStart(id, surface);
  }

  end(): string {
    return this.#takeCharacters(true);
  }

  #pushAtStart(id: number, surface: string): string {
    if (this.#prefixSeen || this.#hasText) {
      this.#atStart = false;
      return surface;
    }
    const { pieces, removeExtraWhitespaces } = this.#vocabulary.model;
    const { text, type } = pieces[id]!;
    if (!this.#stripsPrefix || type === 'control' || type === 'unknown' || !text.startsWith(SPACE_MARK)) {
      return this.#note(surface);
    }
    // One mark is the dummy prefix; where spaces were collapsed, every leading mark goes.
    this.#prefixSeen = !removeExtraWhitespaces;
    return this.#note(surface.slice(1));
  }

  #note(text: string): string {
    if (text !== '') this.#hasText = true;
    return text;
  }

  /** Text of the pending bytes; without `final`, the start of a character stays behind. */
  #takeCharacters(final: boolean): string {
    const bytes = this.#pending;
    let text = '';
    while (bytes.length > 0) {
      const length = characterLength(bytes);
      if (length > bytes.length && !final) break;
      const valid = length > 0 && length <= bytes.length;
      text += valid ? Buffer.from(bytes.splice(0, length)).toString('utf8') : '\ufffd';
      if (!valid) bytes.shift();
    }
    return text;
  }
}

/** Text of each id when it stands within a text; '' for control and byte pieces. */
export function pieceSurfaces(vocabulary: PieceVocabulary): readonly string[] {
  return vocabulary.model.pieces.map(({ text, type }) => {
    if (type === 'control' || type === 'byte') return '';
    if (type === 'unknown') return vocabulary.model.unkSurface;
    return text.replaceAll(SPACE_MARK, ' ');
  });
}

/**
 * Length of the UTF-8 character that the bytes begin with; more than `bytes.length` if they are a proper start
 * of one; 0 if no character begins so.
 */
function characterLength(bytes: readonly number[]): number {
  const first = bytes[0]!;
  const second = bytes[1] ?? (first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80);
  const continues = (byte: number | undefined) => byte === undefined || (byte & 0xc0) === 0x80;
  if (first < 0x80) return 1;
  if (!continues(second)) return 0;
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (!continues(bytes[2])) return 0;
  if (first >= 0xe0 && first < 0xf0) {
    if (first === 0xe0 && second < 0xa0) return 0; // overlong
    return first === 0xed && second >= 0xa0 ? 0 : 3; // surrogates
  }
  if (!continues(bytes[3]) || first < 0xf0 || first > 0xf4) return 0;
  if (first === 0xf0 && second < 0x90) return 0; // overlong
  return first === 0xf4 && second >= 0x90 ? 0 : 4; // beyond U+10FFFF
}
