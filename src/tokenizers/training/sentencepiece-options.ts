/** Options of SentencePiece training, their defaults and ranges. */
import { InputError } from '../../errors/index.js';
import type { PieceType } from '../sentencepiece/model-file.js';
import { NORMALIZATIONS, type Normalization } from './normalization-rules.js';

/** How to train a SentencePiece model. Names and defaults are those of SentencePiece's own trainer. */
export interface SentencePieceTrainingOptions {
  readonly algorithm: 'bpe' | 'unigram';
  /** Pieces in all. */
  readonly vocabSize: number;
  /** Take fewer pieces where the text gives no more, instead of an error. Default false. */
  readonly softVocabLimit?: boolean | undefined;
  /** Share of the text's characters that must be pieces, 0.98 to 1. Default 0.9995. */
  readonly characterCoverage?: number | undefined;
  /** Characters outside the vocabulary become their bytes; 256 pieces. Default false. */
  readonly byteFallback?: boolean | undefined;
  /** Pieces that are always found whole in a text. Default none. */
  readonly userDefinedSymbols?: readonly string[] | undefined;
  /** Pieces that stand for nothing in a text. Default none. */
  readonly controlSymbols?: readonly string[] | undefined;
  /** Each digit a piece. Default false. */
  readonly splitDigits?: boolean | undefined;
  /** Digits and letters apart. Default true. */
  readonly splitByNumber?: boolean | undefined;
  /** Scripts apart. Default true. */
  readonly splitByUnicodeScript?: boolean | undefined;
  /** Default nmt_nfkc. */
  readonly normalization?: Normalization | undefined;
  /** A space before the first word. Default true. */
  readonly addDummyPrefix?: boolean | undefined;
  /** Spaces trimmed and collapsed. Default true. */
  readonly removeExtraWhitespaces?: boolean | undefined;
  /** Characters of a piece at most, 1 to 512. Default 16. */
  readonly maxPieceLength?: number | undefined;
  /** Longer sentences are left out, in bytes. Default 4192. */
  readonly maxSentenceLength?: number | undefined;
  /** Ids of unk, bos, eos and pad; -1 for none. Default 0, 1, 2, -1. */
  readonly unkId?: number | undefined;
  readonly bosId?: number | undefined;
  readonly eosId?: number | undefined;
  readonly padId?: number | undefined;
  /** unigram: pieces to begin with. Default 1 000 000. */
  readonly seedSize?: number | undefined;
  /** unigram: rounds of expectation and maximisation between two prunings, 1 to 10. Default 2. */
  readonly numSubIterations?: number | undefined;
  /** unigram: share of the pieces kept by a pruning, 0.5 to 0.95. Default 0.75. */
  readonly shrinkingFactor?: number | undefined;
}

export type CompleteOptions = {
  readonly [Key in keyof SentencePieceTrainingOptions]-?: NonNullable<SentencePieceTrainingOptions[Key]>;
};

/** Fills in the defaults and checks ranges. Throws InputError naming the option as the command line spells it. */
export function completeOptions(given: SentencePieceTrainingOptions): CompleteOptions {
  const options: CompleteOptions = {
    algorithm: given.algorithm,
    vocabSize: given.vocabSize,
    softVocabLimit: given.softVocabLimit ?? false,
    characterCoverage: given.characterCoverage ?? 0.9995,
    byteFallback: given.byteFallback ?? false,
    userDefinedSymbols: given.userDefinedSymbols ?? [],
    controlSymbols: given.controlSymbols ?? [],
    splitDigits: given.splitDigits ?? false,
    splitByNumber: given.splitByNumber ?? true,
    splitByUnicodeScript: given.splitByUnicodeScript ?? true,
    normalization: given.normalization ?? 'nmt_nfkc',
    addDummyPrefix: given.addDummyPrefix ?? true,
    removeExtraWhitespaces: given.removeExtraWhitespaces ?? true,
    maxPieceLength: given.maxPieceLength ?? 16,
    maxSentenceLength: given.maxSentenceLength ?? 4192,
    unkId: given.unkId ?? 0,
    bosId: given.bosId ?? 1,
    eosId: given.eosId ?? 2,
    padId: given.padId ?? -1,
    seedSize: given.seedSize ?? 1_000_000,
    numSubIterations: given.numSubIterations ?? 2,
    shrinkingFactor: given.shrinkingFactor ?? 0.75,
  };
  checkRange('vocab-size', options.vocabSize, 1, 2 ** 20);
  checkRange('character-coverage', options.characterCoverage, 0.98, 1, false);
  checkRange('max-piece-length', options.maxPieceLength, 1, 512);
  checkRange('max-sentence-length', options.maxSentenceLength, 10, 2 ** 30);
  checkRange('seed-size', options.seedSize, 1, 2 ** 30);
  checkRange('num-sub-iterations', options.numSubIterations, 1, 10);
  checkRange('shrinking-factor', options.shrinkingFactor, 0.5, 0.95, false);
  if (!NORMALIZATIONS.includes(options.normalization)) {
    throw new InputError(
      `--normalization is "${options.normalization}"; give one of ${NORMALIZATIONS.join(', ')}.`,
    );
  }
  return options;
}

function checkRange(name: string, value: number, min: number, max: number, whole = true): void {
  if (value >= min && value <= max && (!whole || Number.isInteger(value))) return;
  throw new InputError(
    `--${name} is ${value}; give ${whole ? 'a whole number' : 'a number'} from ${min} to ${max}.`,
  );
}

export interface MetaPiece {
  readonly text: string;
  readonly type: PieceType;
}

/**
 * The pieces that are not learned, by id: unk, bos, eos and pad where the options put them; control symbols,
 * user-defined symbols and bytes in this order on the ids that are free.
 * @throws InputError for ids that collide or lie outside, and for symbols given twice, empty or reserved
 */
export function metaPieces(options: CompleteOptions): ReadonlyMap<number, MetaPiece> {
  const pieces = new Map<number, MetaPiece>();
  const ids = [
    ['unk', options.unkId, '<unk>'],
    ['bos', options.bosId, '<s>'],
    ['eos', options.eosId, '</s>'],
    ['pad', options.padId, '<pad>'],
  ] as const;
  for (const [role, id, text] of ids) {
    if (role === 'unk' && id < 0) {
      throw new InputError(
        `--unk-id is ${id}; every SentencePiece model has an unknown piece, give 0 or more.`,
      );
    }
    if (id < 0) continue;
    const other = pieces.get(id)?.text;
    if (!Number.isInteger(id) || id >= options.vocabSize || other !== undefined) {
      throw new InputError(
        `--${role}-id is ${id}; ${other === undefined ? `ids are whole numbers below the vocabulary size ${options.vocabSize}` : `${other} has this id already`}.`,
      );
    }
    pieces.set(id, { text, type: role === 'unk' ? 'unknown' : 'control' });
  }
  const seen = new Set<string>();
  let free = 0;
  const add = (text: string, type: PieceType, option: string): void => {
    if (text === '' || text === '<unk>' || seen.has(text)) {
      const problem =
        text === '' ? 'an empty symbol' : text === '<unk>' ? '<unk>, which is reserved' : `${text} twice`;
      throw new InputError(`--${option} holds ${problem}.`);
    }
    seen.add(text);
    for (const [id, piece] of pieces) {
      if (piece.text !== text) continue;
      pieces.set(id, { text, type });
      return;
    }
    while (pieces.has(free)) free += 1;
    pieces.set(free, { text, type });
  };
  for (const text of options.controlSymbols) add(text, 'control', 'control-symbols');
  for (const text of options.userDefinedSymbols) add(text, 'user-defined', 'user-defined-symbols');
  if (options.byteFallback) {
    for (let byte = 0; byte < 256; byte++) add(bytePiece(byte), 'byte', 'user-defined-symbols');
  }
  return pieces;
}

function bytePiece(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}
