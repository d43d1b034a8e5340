/** Extends a SentencePiece model by the pieces of another. */
import { InputError } from '../../errors/index.js';
import { BpeEncoder } from '../sentencepiece/bpe-encoder.js';
import { type Piece, parseSentencePieceModel, type SentencePieceModel } from '../sentencepiece/model-file.js';
import { PieceVocabulary } from '../sentencepiece/piece-vocabulary.js';
import { UnigramEncoder } from '../sentencepiece/unigram-encoder.js';
import { appendPieces } from '../sentencepiece/write-model.js';
import type { MergedVocabulary, NamedFile } from './merge-vocabulary.js';

/**
 * Pieces of the other model behind those of the base. In BPE they merge after all pieces of the base, in their own
 * order; in a unigram model they keep their log probabilities.
 */
export function mergeSentencePiece(base: NamedFile, add: NamedFile): MergedVocabulary {
  const model = parseSentencePieceModel(base.bytes, base.path);
  const other = parseSentencePieceModel(add.bytes, add.path);
  if (model.algorithm !== other.algorithm) {
    throw new InputError(
      `${base.path} is a ${model.algorithm} model, ${add.path} a ${other.algorithm} model; only two of one kind can be merged.`,
    );
  }
  const known = new Set(model.pieces.map((piece) => piece.text));
  const fresh = other.pieces.filter(
    ({ text, type }) => (type === 'normal' || type === 'user-defined') && !known.has(text),
  );
  const pieces = model.algorithm === 'unigram' ? fresh : behind(model, fresh);
  const size = model.pieces.length + pieces.length;
  return {
    content: pieces.length === 0 ? base.bytes : appendPieces(base.bytes, pieces, size),
    baseSize: model.pieces.length,
    size,
    added: pieces.map((piece) => piece.text),
  };
}

/** Scores below the base's worst, in the order that the pieces had. */
function behind(model: SentencePieceModel, pieces: readonly Piece[]): Piece[] {
  const worst = model.pieces.reduce((min, piece) => Math.min(min, piece.score), 0);
  const ranked = pieces.filter((piece) => piece.type === 'normal').sort((a, b) => b.score - a.score);
  const ranks = new Map(ranked.map((piece, rank) => [piece.text, rank]));
  return pieces.map((piece) => {
    const rank = ranks.get(piece.text);
    return rank === undefined ? { ...piece, score: 0 } : { ...piece, score: worst - 1 - rank };
  });
}

/** For each piece behind the base's own: the ids that the base cuts it into. */
export function sentencePieceRowSources(base: NamedFile, merged: NamedFile): number[][] {
  const model = parseSentencePieceModel(base.bytes, base.path);
  const { pieces } = parseSentencePieceModel(merged.bytes, merged.path);
  const moved = model.pieces.findIndex(({ text }, id) => pieces[id]?.text !== text);
  if (moved >= 0) {
    throw new InputError(
      `${merged.path} does not extend ${base.path}: id ${moved} is ${JSON.stringify(pieces[moved]?.text)}, not ${JSON.stringify(model.pieces[moved]?.text)}.`,
    );
  }
  const vocabulary = new PieceVocabulary(model);
  const encoder = model.algorithm === 'bpe' ? new BpeEncoder(vocabulary) : new UnigramEncoder(vocabulary);
  return pieces.slice(model.pieces.length).map(({ text }) => {
    const ids: number[] = [];
    encoder.encode(text, ids);
    return ids;
  });
}
