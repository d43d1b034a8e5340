/** SentencePiece's BPE encoder. */
import { BpeMerger } from '../bpe-merge.js';
import { NO_MERGE, type PairTable } from '../pair-table.js';
import { buildMergeTable, type MergePiece } from './merge-table.js';
import { isMatchable } from './model-file.js';
import type { PieceEncoder, PieceVocabulary } from './piece-vocabulary.js';

/** A code point outside the vocabulary becomes the symbol -(code point) - 2: it merges with nothing. */
const UNKNOWN_BASE = -2;

/**
 * SentencePiece's BPE: characters merge in order of the merged piece's score, highest first, then leftmost.
 *
 * Symbols are piece ids, then numbers from `pieces.length` on for characters that occur in pieces without being
 * one. Two neighbouring characters that stand side by side in no piece can never end up in one, so the text is cut
 * there and each run merged on its own: the result is the same and the runs are short.
 */
export class BpeEncoder implements PieceEncoder {
  readonly #vocabulary: PieceVocabulary;
  readonly #table: PairTable;
  readonly #merger: BpeMerger;
  /** Symbol of each code unit of the basic plane; unknown code points hold their negative symbol. */
  readonly #symbolOfUnit = new Int32Array(0x10000);
  readonly #symbolOfAstral = new Map<number, number>();
  /** Code points of the symbols from `pieces.length` on. */
  readonly #extraCodePoints: number[] = [];
  readonly #hasUnused: boolean;
  #symbols = new Int32Array(256);
  #ranks = new Int32Array(256);

  constructor(vocabulary: PieceVocabulary) {
    this.#vocabulary = vocabulary;
    for (let unit = 0; unit < 0x10000; unit++) this.#symbolOfUnit[unit] = UNKNOWN_BASE - unit;
    this.#table = this.#buildTable();
    this.#merger = new BpeMerger(this.#table);
    this.#hasUnused = vocabulary.model.pieces.some((piece) => piece.type === 'unused');
  }

  encode(normalized: string, out: number[]): void {
    const { userDefined } = this.#vocabulary;
    const { starts } = userDefined;
    const table = this.#table;
    const runStart = out.length;
    let symbols = this.#symbols;
    let ranks = this.#ranks;
    let count = 0;
    for (let index = 0; index < normalized.length; index++) {
      const unit = normalized.charCodeAt(index);
      if (starts[unit] === 1) {
        const length = userDefined.longestMatch(normalized, index);
        if (length > 0) {
          this.#flush(count, out, runStart);
          count = 0;
          out.push(this.#vocabulary.ids.get(normalized.slice(index, index + length))!);
          index += length - 1;
          continue;
        }
      }
      let symbol: number;
      if (unit >= 0xd800 && unit < 0xdc00) symbol = this.#symbolOfCodePoint(normalized.codePointAt(index++)!);
      else symbol = this.#symbolOfUnit[unit]!;
      if (count > 0) {
        const handle = table.find(symbols[count - 1]!, symbol);
        // Pieces of type unused are split again by what happened anywhere before, so those texts stay whole.
        if (handle < 0 && !this.#hasUnused) {
          if (count === 1) this.#append(symbols[0]!, out, runStart);
          else this.#flush(count, out, runStart);
          count = 0;
        } else ranks[count - 1] = handle < 0 ? NO_MERGE : table.rank(handle);
      }
      if (count === symbols.length) {
        this.#grow();
        symbols = this.#symbols;
        ranks = this.#ranks;
      }
      symbols[count++] = symbol;
    }
    this.#flush(count, out, runStart);
  }

  #flush(count: number, out: number[], runStart: number): void {
    if (count === 0) return;
    const symbols = this.#symbols;
    if (this.#hasUnused) {
      this.#flushWithUnused(count, out, runStart);
      return;
    }
    const length = this.#merger.merge(symbols, this.#ranks, count);
    for (let index = 0; index < length; index++) this.#append(symbols[index]!, out, runStart);
  }

  /** Unused pieces take part in merging, then fall apart into the pair that last came up for them. */
  #flushWithUnused(count: number, out: number[], runStart: number): void {
    const { pieces } = this.#vocabulary.model;
    const parts = new Map<number, readonly [number, number]>();
    const length = this.#merger.merge(this.#symbols, this.#ranks, count, (left, right, merged) => {
      if (pieces[merged]?.type === 'unused') parts.set(merged, [left, right]);
    });
    const append = (symbol: number): void => {
      const pair = parts.get(symbol);
      if (!pair) this.#append(symbol, out, runStart);
      else for (const part of pair) append(part);
    };
    for (let index = 0; index < length; index++) append(this.#symbols[index]!);
  }

  #append(symbol: number, out: number[], runStart: number): void {
    const size = this.#vocabulary.size;
    if (symbol >= 0 && symbol < size) out.push(symbol);
    else {
      const codePoint = symbol < 0 ? UNKNOWN_BASE - symbol : this.#extraCodePoints[symbol - size]!;
      this.#vocabulary.appendUnknown(codePoint, out, runStart);
    }
  }

  #symbolOfCodePoint(codePoint: number): number {
    if (codePoint < 0x10000) return this.#symbolOfUnit[codePoint]!;
    return this.#symbolOfAstral.get(codePoint) ?? UNKNOWN_BASE - codePoint;
  }

  #setSymbol(codePoint: number, symbol: number): void {
    if (codePoint < 0x10000) this.#symbolOfUnit[codePoint] = symbol;
    else this.#symbolOfAstral.set(codePoint, symbol);
  }

  #buildTable(): PairTable {
    const { model, ids } = this.#vocabulary;
    for (const [text, id] of ids) {
      const codePoint = text.codePointAt(0)!;
      if (text.length === (codePoint > 0xffff ? 2 : 1)) this.#setSymbol(codePoint, id);
    }
    const scores = new Set<number>();
    for (const { score, type } of model.pieces) if (isMatchable(type)) scores.add(score);
    const ranks = new Map([...scores].sort((a, b) => b - a).map((score, rank) => [score, rank]));
    const pieces: MergePiece[] = [];
    for (const [id, { text, score, type }] of model.pieces.entries()) {
      if (!isMatchable(type)) continue;
      const characters: number[] = [];
      for (let index = 0; index < text.length; index++) {
        const codePoint = text.codePointAt(index)!;
        if (codePoint > 0xffff) index += 1;
        characters.push(this.#symbolOfPieceCharacter(codePoint));
      }
      pieces.push({ id, characters, rank: ranks.get(score)! });
    }
    return buildMergeTable(pieces);
  }

  /** A character of a piece has a symbol even if it is no piece itself. */
  #symbolOfPieceCharacter(codePoint: number): number {
    const known = this.#symbolOfCodePoint(codePoint);
    if (known >= 0) return known;
    const symbol = this.#vocabulary.size + this.#extraCodePoints.push(codePoint) - 1;
    this.#setSymbol(codePoint, symbol);
    return symbol;
  }

  #grow(): void {
    const symbols = new Int32Array(this.#symbols.length * 2);
    symbols.set(this.#symbols);
    this.#symbols = symbols;
    const ranks = new Int32Array(symbols.length);
    ranks.set(this.#ranks);
    this.#ranks = ranks;
  }
}
