/** Trains SentencePiece models, BPE and unigram. */
import { InputError } from '../../errors/index.js';
import type { Piece, SentencePieceModel } from '../sentencepiece/model-file.js';
import { type SpecField, writeSentencePieceModel } from '../sentencepiece/write-model.js';
import { type Alphabet, chooseAlphabet } from './alphabet.js';
import { compileCharsmap } from './compile-charsmap.js';
import { type CountedTexts, countTexts } from './count-texts.js';
import { learnBpePieces } from './learn-bpe-pieces.js';
import { learnUnigramPieces } from './learn-unigram-pieces.js';
import { normalizationRules } from './normalization-rules.js';
import { quickRules } from './sentence-words.js';
import {
  type CompleteOptions,
  completeOptions,
  type MetaPiece,
  metaPieces,
  type SentencePieceTrainingOptions,
} from './sentencepiece-options.js';
import type { TrainingInput, TrainingProgress } from './training-input.js';

export interface TrainedSentencePiece {
  /** The content of a `.model` file. */
  readonly file: Uint8Array;
  readonly model: SentencePieceModel;
  readonly counted: Omit<CountedTexts, 'words'>;
}

const TERMS = {
  unkPiece: '<unk>',
  bosPiece: '<s>',
  eosPiece: '</s>',
  padPiece: '<pad>',
  unkSurface: ' \u2047 ',
};

/**
 * Trains a SentencePiece model on text files. The same files, options and seed give the same bytes, whatever the number
 * of threads.
 * @throws InputError for bad options and files, for a vocabulary too small for the characters that the coverage asks
 *   for (it says by how much) and for one larger than the text can fill (it says the largest)
 */
export async function trainSentencePiece(
  given: SentencePieceTrainingOptions,
  input: TrainingInput,
): Promise<TrainedSentencePiece> {
  const options = completeOptions(given);
  const meta = metaPieces(options);
  const rules = normalizationRules(options.normalization);
  const settings = {
    charsmap: compileCharsmap(rules),
    addDummyPrefix: options.addDummyPrefix,
    removeExtraWhitespaces: options.removeExtraWhitespaces,
    treatWhitespaceAsSuffix: false,
    escapeWhitespaces: true,
  };
  const { words, ...counted } = await countTexts({
    ...input,
    onProgress: (bytes) => input.onProgress?.({ stage: 'read', done: bytes }),
    setup: {
      field: input.field ?? 'text',
      words: {
        kind: 'sentencepiece',
        maxSentenceBytes: options.maxSentenceLength,
        options: {
          normalizer: settings,
          quick: quickRules(rules),
          metaPieces: [...meta.values()].map((piece) => piece.text),
        },
      },
    },
  });
  const alphabet = chooseAlphabet(words, options.characterCoverage);
  const numPieces = options.vocabSize - meta.size;
  checkRoom(options, meta.size, alphabet);
  const learned = learnPieces(options, { words, alphabet, numPieces }, input.onProgress);
  if (learned.length < numPieces && !options.softVocabLimit) {
    const largest = learned.length + meta.size;
    throw new InputError(
      `--vocab-size is ${options.vocabSize}, but this text gives at most ${largest} pieces; give ${largest} or less, more text, or --soft-vocab-limit.`,
    );
  }
  const pieces = arrangePieces(meta, learned, options.vocabSize);
  const { algorithm, byteFallback } = options;
  const model: SentencePieceModel = { ...TERMS, ...settings, pieces, algorithm, byteFallback };
  const file = writeSentencePieceModel(model, {
    normalization: options.normalization,
    trainerSpec: trainerSpec(options),
  });
  return { file, model, counted };
}

function learnPieces(
  options: CompleteOptions,
  text: { readonly words: CountedTexts['words']; readonly alphabet: Alphabet; readonly numPieces: number },
  onProgress: TrainingProgress | undefined,
): readonly Piece[] {
  switch (options.algorithm) {
    case 'bpe':
      onProgress?.({ stage: 'learn', done: 0, total: text.numPieces });
      return learnBpePieces({
        ...text,
        rules: options,
        onProgress: (done) => onProgress?.({ stage: 'learn', done, total: text.numPieces }),
      });
    case 'unigram':
      onProgress?.({ stage: 'learn', done: 0 });
      return learnUnigramPieces({
        ...text,
        ...options,
        rules: options,
        onProgress: (done) => onProgress?.({ stage: 'learn', done }),
      });
  }
}

function checkRoom(options: CompleteOptions, numMeta: number, alphabet: Alphabet): void {
  const characters = alphabet.byFrequency.length;
  const missing = numMeta + characters - options.vocabSize;
  if (missing <= 0) return;
  const shares = [...alphabet.counts].sort((a, b) => b - a);
  const room = options.vocabSize - numMeta;
  const total = shares.reduce((sum, count) => sum + count, 0);
  const covered = shares.slice(0, Math.max(room, 0)).reduce((sum, count) => sum + count, 0) / total;
  const lower = Math.floor(covered * options.characterCoverage * 10_000) / 10_000;
  const coverage = lower >= 0.98 ? `, or --character-coverage ${lower} or less` : '';
  throw new InputError(
    `--vocab-size ${options.vocabSize} is ${missing} too small: ${characters} characters (--character-coverage ${options.characterCoverage}) and ${numMeta} special pieces need ${numMeta + characters}. Give --vocab-size ${numMeta + characters} or more${coverage}.`,
  );
}

function arrangePieces(
  meta: ReadonlyMap<number, MetaPiece>,
  learned: readonly Piece[],
  vocabSize: number,
): Piece[] {
  const pieces: Piece[] = [];
  let next = 0;
  for (let id = 0; id < vocabSize; id++) {
    const special = meta.get(id);
    if (special !== undefined) pieces.push({ ...special, score: 0 });
    else if (next < learned.length) pieces.push(learned[next++]!);
  }
  return pieces;
}

/** What `trainer_spec` says of the training, by its field numbers. */
function trainerSpec(options: CompleteOptions): SpecField[] {
  return [
    [10, { float: options.characterCoverage }],
    [14, options.seedSize],
    [15, { float: options.shrinkingFactor }],
    [17, options.numSubIterations],
    [18, options.maxSentenceLength],
    [20, options.maxPieceLength],
    [21, options.splitByUnicodeScript],
    [23, options.splitByNumber],
    [25, options.splitDigits],
    ...options.controlSymbols.map((symbol): SpecField => [30, symbol]),
    ...options.userDefinedSymbols.map((symbol): SpecField => [31, symbol]),
    [33, !options.softVocabLimit],
    [40, options.unkId],
    [41, options.bosId],
    [42, options.eosId],
    [43, options.padId],
  ];
}
