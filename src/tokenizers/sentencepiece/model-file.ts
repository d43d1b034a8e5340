/** Reads a SentencePiece `.model` file. */
import { isUtf8 } from 'node:buffer';
import { InputError } from '../../errors/index.js';
import { type ProtobufField, protobufFloat, readProtobuf } from '../../formats/index.js';

export type PieceType = 'normal' | 'unknown' | 'control' | 'user-defined' | 'unused' | 'byte';

export interface Piece {
  readonly text: string;
  readonly score: number;
  readonly type: PieceType;
}

/** What a SentencePiece `.model` file says; defaults are those of its schema, sentencepiece_model.proto. */
export interface SentencePieceModel {
  readonly pieces: readonly Piece[];
  readonly algorithm: 'bpe' | 'unigram';
  readonly byteFallback: boolean;
  readonly treatWhitespaceAsSuffix: boolean;
  readonly unkPiece: string;
  readonly bosPiece: string;
  readonly eosPiece: string;
  readonly padPiece: string;
  /** What an unknown id decodes to. */
  readonly unkSurface: string;
  /** The compiled normalisation rules; empty for the identity. */
  readonly charsmap: Uint8Array;
  readonly addDummyPrefix: boolean;
  readonly removeExtraWhitespaces: boolean;
  readonly escapeWhitespaces: boolean;
}

const PIECE_TYPES: readonly PieceType[] = ['normal', 'unknown', 'control', 'user-defined', 'unused', 'byte'];
const ALGORITHMS = ['unigram', 'bpe', 'word', 'char'];
/** Longer pieces are a sign of damage; the trainer's own limit is 16 characters by default. */
const MAX_PIECE_UNITS = 1024;

/** Parses a `.model` file. Throws InputError naming `source`. */
export function parseSentencePieceModel(bytes: Uint8Array, source: string): SentencePieceModel {
  const pieces: Piece[] = [];
  const model = {
    pieces,
    algorithm: 'unigram',
    byteFallback: false,
    treatWhitespaceAsSuffix: false,
    unkPiece: '<unk>',
    bosPiece: '<s>',
    eosPiece: '</s>',
    padPiece: '<pad>',
    unkSurface: ' \u2047 ',
    charsmap: new Uint8Array(0),
    addDummyPrefix: true,
    removeExtraWhitespaces: true,
    escapeWhitespaces: true,
  };
  const nested = (field: ProtobufField) =>
    readProtobuf(field.bytes, source, field.bytes.byteOffset - bytes.byteOffset);
  for (const field of readProtobuf(bytes, source)) {
    if (field.wireType !== 2) continue;
    if (field.number === 1) pieces.push(parsePiece(nested(field), pieces.length, source));
    else if (field.number === 2) {
      for (const item of nested(field)) {
        if (item.number === 3) model.algorithm = ALGORITHMS[item.varint - 1] ?? `type ${item.varint}`;
        else if (item.number === 24) model.treatWhitespaceAsSuffix = item.varint !== 0;
        else if (item.number === 35) model.byteFallback = item.varint !== 0;
        else if (item.number === 44) model.unkSurface = textOf(item, source);
        else if (item.number === 45) model.unkPiece = textOf(item, source);
        else if (item.number === 46) model.bosPiece = textOf(item, source);
        else if (item.number === 47) model.eosPiece = textOf(item, source);
        else if (item.number === 48) model.padPiece = textOf(item, source);
      }
    } else if (field.number === 3) {
      for (const item of nested(field)) {
        if (item.number === 2) model.charsmap = Uint8Array.from(item.bytes);
        else if (item.number === 3) model.addDummyPrefix = item.varint !== 0;
        else if (item.number === 4) model.removeExtraWhitespaces = item.varint !== 0;
        else if (item.number === 5) model.escapeWhitespaces = item.varint !== 0;
      }
    } else if (field.number === 5) {
      for (const item of nested(field)) {
        if (item.number === 2 && item.bytes.length > 0) {
          throw new InputError(`${source}: a denormalizer with rules of its own is not supported.`);
        }
      }
    }
  }
  const { algorithm } = model;
  if (algorithm !== 'bpe' && algorithm !== 'unigram') {
    throw new InputError(
      `${source}: SentencePiece model type "${algorithm}" is not supported; bpe and unigram are.`,
    );
  }
  checkPieces(model, source);
  return { ...model, algorithm };
}

function parsePiece(fields: Iterable<ProtobufField>, id: number, source: string): Piece {
  let text = '';
  let score = 0;
  let type: PieceType | undefined = 'normal';
  for (const field of fields) {
    if (field.number === 1) text = textOf(field, source);
    else if (field.number === 2 && field.wireType === 5) score = protobufFloat(field);
    else if (field.number === 3) {
      type = PIECE_TYPES[field.varint - 1];
      if (!type)
        throw new InputError(`${source}: piece ${id} has type ${field.varint}; types go from 1 to 6.`);
    }
  }
  if (text === '' || text.length > MAX_PIECE_UNITS) {
    throw new InputError(
      `${source}: piece ${id} has ${text.length} UTF-16 units; 1 to ${MAX_PIECE_UNITS} are possible. The file is damaged or of another format.`,
    );
  }
  if (!Number.isFinite(score)) throw new InputError(`${source}: piece ${id} ("${text}") has score ${score}.`);
  return { text, score, type };
}

function textOf(field: ProtobufField, source: string): string {
  const { buffer, byteOffset, length } = field.bytes;
  const bytes = Buffer.from(buffer, byteOffset, length);
  if (!isUtf8(bytes)) throw new InputError(`${source}: the text at byte ${field.offset} is not valid UTF-8.`);
  return bytes.toString('utf8');
}

/** SentencePiece's own conditions for a usable vocabulary. */
function checkPieces(model: Pick<SentencePieceModel, 'pieces' | 'byteFallback'>, source: string): void {
  const { pieces } = model;
  if (pieces.length === 0) {
    throw new InputError(`${source}: no pieces in it, so it is no SentencePiece model.`);
  }
  const unknowns = pieces.filter((piece) => piece.type === 'unknown').length;
  if (unknowns !== 1) {
    throw new InputError(`${source}: ${unknowns} pieces of type unknown; a model has exactly one.`);
  }
  const normal = new Set<string>();
  const reserved = new Set<string>();
  const byteValues = new Set<number>();
  for (const [id, { text, type }] of pieces.entries()) {
    const names = isMatchable(type) ? normal : reserved;
    if (names.has(text)) throw new InputError(`${source}: piece ${id} ("${text}") is defined twice.`);
    names.add(text);
    if (type !== 'byte') continue;
    const value = byteOfPiece(text);
    if (value === undefined)
      throw new InputError(`${source}: piece ${id} ("${text}") is no byte piece like <0x0A>.`);
    byteValues.add(value);
  }
  if (byteValues.size !== (model.byteFallback ? 256 : 0)) {
    throw new InputError(
      `${source}: ${byteValues.size} byte pieces with byte_fallback ${model.byteFallback}; ${model.byteFallback ? 256 : 0} are needed.`,
    );
  }
}

/** Whether text can become a piece of this type; control, unknown and byte pieces are never found in text. */
export function isMatchable(type: PieceType): boolean {
  return type === 'normal' || type === 'user-defined' || type === 'unused';
}

/** 10 for `<0x0A>`; undefined for anything else. */
export function byteOfPiece(text: string): number | undefined {
  return /^<0x[0-9A-F]{2}>$/.test(text) ? Number.parseInt(text.slice(3, 5), 16) : undefined;
}
