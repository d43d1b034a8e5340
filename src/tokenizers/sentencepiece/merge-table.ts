/** All merges of a SentencePiece BPE vocabulary. */
import { NO_MERGE, PairTable } from '../pair-table.js';

/** A piece that text can become, as symbols of its characters. */
export interface MergePiece {
  readonly id: number;
  readonly characters: readonly number[];
  /** Order of merging, lowest first. */
  readonly rank: number;
}

/**
 * Every way in which a piece comes from two symbols (pieces, or single characters), and, without a merge, every two
 * characters that stand side by side in a piece.
 */
export function buildMergeTable(pieces: readonly MergePiece[]): PairTable {
  // Prefixes and suffixes are looked up by walking integers: hashing a substring for each costs ten times as much.
  const prefixes = new SequenceIds(pieces.length * 2);
  const suffixes = new SequenceIds(pieces.length * 2);
  for (const { id, characters } of pieces) {
    let prefix = 0;
    for (const character of characters) prefix = prefixes.extend(prefix, character);
    prefixes.setId(prefix, id);
    let suffix = 0;
    for (let index = characters.length - 1; index >= 0; index--)
      suffix = suffixes.extend(suffix, characters[index]!);
    suffixes.setId(suffix, id);
  }
  const table = new PairTable(pieces.length * 3);
  const rights: number[] = [];
  for (const { id, characters, rank } of pieces) {
    const last = characters.length - 1;
    let suffix = 0;
    for (let index = last; index > 0; index--) {
      suffix = suffixes.extend(suffix, characters[index]!);
      rights[index] = index === last ? characters[index]! : suffixes.idAt(suffix);
    }
    let prefix = 0;
    for (let index = 1; index <= last; index++) {
      const before = characters[index - 1]!;
      prefix = prefixes.extend(prefix, before);
      const left = index === 1 ? before : prefixes.idAt(prefix);
      const right = rights[index]!;
      if (table.find(before, characters[index]!) < 0) table.set(before, characters[index]!, NO_MERGE, 0);
      if (left >= 0 && right >= 0) table.set(left, right, rank, id);
    }
  }
  return table;
}

/** Ids of sequences of symbols: a trie whose root is node 0. */
class SequenceIds {
  readonly #edges: PairTable;
  readonly #ids: number[] = [-1];

  constructor(expectedSize: number) {
    this.#edges = new PairTable(expectedSize);
  }

  /** The node of a sequence one symbol longer, created if need be. */
  extend(node: number, symbol: number): number {
    const handle = this.#edges.find(node, symbol);
    if (handle >= 0) return this.#edges.merged(handle);
    const child = this.#ids.push(-1) - 1;
    this.#edges.set(node, symbol, NO_MERGE, child);
    return child;
  }

  setId(node: number, id: number): void {
    this.#ids[node] = id;
  }

  /** -1 for a sequence that is no piece. */
  idAt(node: number): number {
    return this.#ids[node]!;
  }
}
