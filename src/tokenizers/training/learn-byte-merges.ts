/** Learns the merges of a byte-level BPE model. */
import { BYTE_CHARACTERS } from '../huggingface/byte-alphabet.js';
import type { WordPool } from './alphabet.js';
import { PairMerger } from './pair-merger.js';
import type { WordCounts } from './word-counts.js';

/** Two symbols that become one. */
export type Merge = readonly [left: number, right: number];

export interface LearnByteMergesOptions {
  readonly words: WordCounts;
  /** Learning ends when there are so many symbols, the 256 bytes included. */
  readonly maxSymbols: number;
  /** A pair that occurs less often is not merged. */
  readonly minFrequency: number;
  /** Called with the symbols found so far. */
  readonly onProgress?: ((symbols: number) => void) | undefined;
}

const NUM_BYTES = 256;
const PROGRESS_STEP = 256;

/**
 * Byte-level BPE: the most frequent pair merges, of equally frequent ones the pair with the smaller symbols. Symbols 0
 * to 255 are the bytes. `names` spells every symbol in the byte-level alphabet; a text that two pairs make has one symbol.
 */
export function learnByteMerges(options: LearnByteMergesOptions): {
  readonly names: readonly string[];
  readonly merges: readonly Merge[];
} {
  const names = [...BYTE_CHARACTERS];
  const symbols = new Map(names.map((name, symbol) => [name, symbol]));
  const merges: Merge[] = [];
  // The merger's symbols are one higher, since its 0 is no symbol.
  const pool = poolBytes(options.words);
  // Each merge uses up a place at least, so more symbols than places are never made.
  const maxSymbols = Math.min(options.maxSymbols, NUM_BYTES + pool.symbols.length);
  const merger = new PairMerger(
    pool,
    {
      allows: () => true,
      precedes: (a, b) => a.left < b.left || (a.left === b.left && a.right < b.right),
      symbolOf: (left, right) => {
        const name = names[left - 1]! + names[right - 1]!;
        const known = symbols.get(name);
        if (known !== undefined) return known + 1;
        symbols.set(name, names.length);
        return names.push(name);
      },
    },
    Math.max(maxSymbols, NUM_BYTES) + 1,
  );
  while (names.length < options.maxSymbols) {
    const merged = merger.next(options.minFrequency);
    if (merged === undefined) break;
    merges.push([merged.left - 1, merged.right - 1]);
    if (merges.length % PROGRESS_STEP === 0) options.onProgress?.(names.length);
  }
  return { names, merges };
}

/** The UTF-8 bytes of the words, one higher. Words of one byte have no pairs and are left out. */
function poolBytes(words: WordCounts): WordPool {
  let size = 1;
  for (const word of words.keys()) size += Buffer.byteLength(word) + 1;
  const symbols = new Int32Array(size);
  const counts = new Uint32Array(size);
  let at = 1;
  for (const [word, count] of words) {
    const bytes = Buffer.from(word);
    if (bytes.length < 2) continue;
    for (const byte of bytes) {
      symbols[at] = byte + 1;
      counts[at++] = count;
    }
    at += 1;
  }
  return { symbols: symbols.slice(0, at + 1), counts: counts.slice(0, at + 1) };
}
