/** Counts the words of training files on several threads. */
import { InputError } from '../../errors/index.js';
import { mapOrdered } from '../../workers/index.js';
import type { CountInput, CountOutput, CountSetup } from './count-worker.js';
import { readTextChunks } from './text-chunks.js';
import { addPackedCounts, type WordCounts } from './word-counts.js';

export interface CountTextsOptions {
  readonly files: readonly string[];
  readonly setup: Omit<CountSetup, 'textsOnly'>;
  /** Threads. Default: one for each core. The result is the same for any number. */
  readonly workers?: number | undefined;
  /** Learn from so many texts only, drawn with `seed`. Default: all. */
  readonly sample?: { readonly texts: number; readonly seed: number } | undefined;
  /** Called with the bytes read so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

export interface CountedTexts {
  readonly words: WordCounts;
  /** Texts taken, usable ones, and those left out as too long or holding a reserved character. */
  readonly taken: number;
  readonly texts: number;
  readonly tooLong: number;
  readonly reserved: number;
}

const source = {
  url: new URL('./count-worker.js', import.meta.url),
  load: () => import('./count-worker.js'),
};

/**
 * Counts the words of all files on several threads.
 * @throws InputError for files without a usable text, and what reading them throws
 */
export async function countTexts(options: CountTextsOptions): Promise<CountedTexts> {
  const { sample } = options;
  const selections = sample === undefined ? undefined : await drawTexts(options, sample);
  const words: WordCounts = new Map();
  const totals = { texts: 0, tooLong: 0, reserved: 0 };
  for await (const output of countChunks(options, false, selections)) {
    addPackedCounts(words, output.words);
    totals.texts += output.texts;
    totals.tooLong += output.tooLong;
    totals.reserved += output.reserved;
  }
  if (words.size === 0) throw nothingToLearn(options.files, totals);
  return { words, ...totals, taken: Math.min(totals.texts, sample?.texts ?? totals.texts) };
}

async function* countChunks(
  { files, setup, workers, onProgress }: CountTextsOptions,
  textsOnly: boolean,
  selections?: readonly Uint8Array[],
): AsyncGenerator<CountOutput, void> {
  async function* inputs(): AsyncGenerator<CountInput, void> {
    let index = 0;
    for await (const chunk of readTextChunks(files, { onProgress }))
      yield { chunk, selected: selections?.[index++] };
  }
  yield* mapOrdered<CountSetup, CountInput, CountOutput>(source, { ...setup, textsOnly }, inputs(), {
    workers,
  });
}

/** For each chunk which of its texts belong to the sample: each set of that size is equally likely. */
async function drawTexts(
  options: CountTextsOptions,
  sample: { readonly texts: number; readonly seed: number },
): Promise<Uint8Array[]> {
  const counts: number[] = [];
  for await (const { texts } of countChunks(options, true)) counts.push(texts);
  let left = counts.reduce((sum, count) => sum + count, 0);
  let wanted = Math.min(sample.texts, left);
  const random = mulberry32(sample.seed);
  return counts.map((count) => {
    const selected = new Uint8Array(count);
    for (let index = 0; index < count; index++, left--) {
      if (random() * left >= wanted) continue;
      selected[index] = 1;
      wanted -= 1;
    }
    return selected;
  });
}

/** A small generator of even numbers in [0, 1): draws of a sample need no more. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function nothingToLearn(
  files: readonly string[],
  { texts, tooLong, reserved }: Pick<CountedTexts, 'texts' | 'tooLong' | 'reserved'>,
): InputError {
  const reasons = [
    ...(tooLong > 0 ? [`${tooLong} sentences are longer than --max-sentence-length`] : []),
    ...(reserved > 0 ? [`${reserved} sentences hold the reserved character U+2585`] : []),
    ...(texts > 0 ? [`${texts} texts consist of white space`] : []),
  ];
  return new InputError(
    `${files.join(', ')}: no text to learn from${reasons.length > 0 ? `; ${reasons.join(', ')}` : ', empty'}.`,
  );
}
