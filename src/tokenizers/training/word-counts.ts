/** Word counts, and a packed form of them for threads. */
import { InputError } from '../../errors/index.js';

/** How often each word occurs, in order of first occurrence. */
export type WordCounts = Map<string, number>;

/** Counts in a form that crosses threads cheaply: all words in one string. */
export interface PackedWordCounts {
  readonly text: string;
  /** UTF-16 units of each word. */
  readonly lengths: Uint32Array;
  readonly counts: Float64Array;
}

export function packWordCounts(words: WordCounts): PackedWordCounts {
  const lengths = new Uint32Array(words.size);
  const counts = new Float64Array(words.size);
  const texts: string[] = [];
  for (const [word, count] of words) {
    lengths[texts.length] = word.length;
    counts[texts.length] = count;
    texts.push(word);
  }
  return { text: texts.join(''), lengths, counts };
}

/** JavaScript's own limit for a map is a little above. */
const MAX_WORDS = 2 ** 24 - 2 ** 20;

/** Throws InputError for more different words than a map can hold. */
export function addPackedCounts(words: WordCounts, { text, lengths, counts }: PackedWordCounts): void {
  let start = 0;
  for (let index = 0; index < lengths.length; index++) {
    const end = start + lengths[index]!;
    const word = text.slice(start, end);
    words.set(word, (words.get(word) ?? 0) + counts[index]!);
    start = end;
  }
  if (words.size > MAX_WORDS) {
    throw new InputError(
      `The texts have more than ${MAX_WORDS} different words; learn from a part of them with --input-sentence-size.`,
    );
  }
}
