/** Encoding texts on one thread; training a vocabulary. */
import { readFileSync, writeFileSync } from 'node:fs';
import { openTokenizer } from '../../models/index.js';
import { trainByteLevelBpeOnFiles, trainSentencePiece } from '../../tokenizers/index.js';
import type { VocabularyType } from './vocabulary-types.js';

export interface EncodeSettings {
  readonly tokenizer: string;
  /** One text a line. */
  readonly input: string;
  readonly repetitions: number;
}

export interface EncodeValues {
  readonly megabytesPerSecond: number;
  readonly tokens: number;
}

/** Text by text; 10^6 bytes of UTF-8 a second, the best of the repetitions. What is remembered of words lasts between them. */
export function measureEncode({ tokenizer: path, input, repetitions }: EncodeSettings): EncodeValues {
  const tokenizer = openTokenizer(path);
  const lines = readFileSync(input, 'utf8').trimEnd().split('\n');
  const bytes = lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0);
  let best = Number.POSITIVE_INFINITY;
  let tokens = 0;
  for (let repetition = 0; repetition < repetitions; repetition++) {
    tokens = 0;
    const start = performance.now();
    for (const line of lines) tokens += tokenizer.encode(line).length;
    best = Math.min(best, performance.now() - start);
  }
  return { megabytesPerSecond: bytes / 1e3 / best, tokens };
}

export interface VocabularySettings {
  readonly type: VocabularyType;
  readonly input: string;
  readonly output: string;
  readonly vocabSize: number;
  readonly threads: number;
}

export interface VocabularyValues {
  /** Reading the file and writing the result included, starting the process not. */
  readonly trainSeconds: number;
  /** On what was learned from. */
  readonly bytesPerToken: number;
}

export async function measureVocabulary(settings: VocabularySettings): Promise<VocabularyValues> {
  const { type, input, output, vocabSize, threads } = settings;
  const start = performance.now();
  const files = { files: [input], workers: threads };
  if (type === 'byte-level-bpe') {
    const { json } = await trainByteLevelBpeOnFiles({ vocabSize }, files);
    writeFileSync(output, JSON.stringify(json));
  } else {
    const algorithm = type === 'sentencepiece-bpe' ? 'bpe' : 'unigram';
    writeFileSync(output, (await trainSentencePiece({ algorithm, vocabSize }, files)).file);
  }
  const trainSeconds = (performance.now() - start) / 1000;
  const tokenizer = openTokenizer(output);
  let [bytes, tokens] = [0, 0];
  for (const line of readFileSync(input, 'utf8').trimEnd().split('\n')) {
    bytes += Buffer.byteLength(line);
    tokens += tokenizer.encode(line).length;
  }
  return { trainSeconds, bytesPerToken: bytes / tokens };
}
