/** Writes a SentencePiece `.model`: the protobuf message ModelProto of sentencepiece_model.proto. */
import type { Piece, PieceType, SentencePieceModel } from './model-file.js';

/** A field of the file's `trainer_spec`: which number it has and what it holds. */
export type SpecField = readonly [number: number, value: number | boolean | string | FloatValue];
/** A number that the schema calls float. */
export interface FloatValue {
  readonly float: number;
}

export interface WriteModelOptions {
  /** Further fields of `trainer_spec`, beside those that the model itself holds: how it was trained. */
  readonly trainerSpec?: readonly SpecField[];
  /** `normalizer_spec.name`, for people. */
  readonly normalization?: string;
}

const PIECE_TYPE_NUMBERS: Readonly<Record<PieceType, number>> = {
  normal: 1,
  unknown: 2,
  control: 3,
  'user-defined': 4,
  unused: 5,
  byte: 6,
};

/** The bytes of a `.model` file. Reading them with parseSentencePieceModel gives the same model. */
export function writeSentencePieceModel(
  model: SentencePieceModel,
  options: WriteModelOptions = {},
): Uint8Array {
  const file = new MessageWriter();
  for (const piece of model.pieces) file.bytes(1, pieceMessage(piece));
  const own: SpecField[] = [
    [3, model.algorithm === 'unigram' ? 1 : 2],
    [4, model.pieces.length],
    [24, model.treatWhitespaceAsSuffix],
    [35, model.byteFallback],
    [44, model.unkSurface],
    [45, model.unkPiece],
    [46, model.bosPiece],
    [47, model.eosPiece],
    [48, model.padPiece],
  ];
  const trainer = new MessageWriter();
  const fields = [...own, ...(options.trainerSpec ?? [])].sort(([a], [b]) => a - b);
  for (const field of fields) trainer.field(field);
  file.bytes(2, trainer.finish());
  const normalizer = new MessageWriter();
  normalizer.field([1, options.normalization ?? (model.charsmap.length > 0 ? 'user_defined' : 'identity')]);
  normalizer.bytes(2, model.charsmap);
  normalizer.field([3, model.addDummyPrefix]);
  normalizer.field([4, model.removeExtraWhitespaces]);
  normalizer.field([5, model.escapeWhitespaces]);
  file.bytes(3, normalizer.finish());
  return file.finish();
}

/**
 * A model with further pieces behind its own, everything else in the file untouched: what is written twice in protobuf
 * adds to a list or replaces a single value.
 */
export function appendPieces(file: Uint8Array, pieces: readonly Piece[], vocabSize: number): Uint8Array {
  const more = new MessageWriter();
  for (const piece of pieces) more.bytes(1, pieceMessage(piece));
  const trainer = new MessageWriter();
  trainer.field([4, vocabSize]);
  more.bytes(2, trainer.finish());
  return Uint8Array.from(Buffer.concat([file, more.finish()]));
}

function pieceMessage({ text, score, type }: Piece): Uint8Array {
  const message = new MessageWriter();
  message.field([1, text]);
  message.field([2, { float: score }]);
  if (type !== 'normal') message.field([3, PIECE_TYPE_NUMBERS[type]]);
  return message.finish();
}

/** Fields of one message, appended in order. */
class MessageWriter {
  readonly #parts: Uint8Array[] = [];

  field([number, value]: SpecField): void {
    if (typeof value === 'string') this.bytes(number, Buffer.from(value));
    else if (typeof value === 'object') {
      const part = Buffer.alloc(5);
      part[0] = (number << 3) | 5;
      part.writeFloatLE(value.float, 1);
      this.#parts.push(...(number < 16 ? [part] : [varint(number * 8 + 5), part.subarray(1)]));
    } else this.#parts.push(varint(number * 8), varint(Number(value)));
  }

  bytes(number: number, value: Uint8Array): void {
    this.#parts.push(varint(number * 8 + 2), varint(value.length), value);
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}

/** An int64 as a varint; a negative one takes ten bytes. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
