/** The vocabulary as a trie over bytes. */
import type { AutomatonState, GrammarAutomaton } from './grammar-automaton.js';

/** Texts of tokens, by id; packed, to cross to a thread. */
export interface PackedTokens {
  /** Token i is bytes offsets[i]..offsets[i + 1]; nothing where it is no text. */
  readonly offsets: Int32Array;
  readonly bytes: Uint8Array;
}

/** Tokens arranged by their common beginnings, so that one walk tries them all. */
export class TokenTrie {
  readonly maxTokenBytes: number;
  // Nodes in the order of a walk that goes deep first.
  readonly #byte: Uint8Array;
  readonly #depth: Int32Array;
  /** Where the walk goes on if the node's children are left out. */
  readonly #end: Int32Array;
  /** Node i spells the tokens #tokens[#firstToken[i]..#firstToken[i + 1]]. */
  readonly #firstToken: Int32Array;
  readonly #tokens: Int32Array;

  /** @param skip bytes at a token's beginning that do not count; a token with no byte left is left out */
  constructor({ offsets, bytes }: PackedTokens, skip: (id: number) => number = () => 0) {
    // Strings of one character a byte: they sort many times faster than arrays.
    const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const texts = Array.from({ length: offsets.length - 1 }, (_, id) =>
      all.toString('latin1', offsets[id]! + skip(id), offsets[id + 1]!),
    );
    const ids = texts.flatMap((text, id) => (text === '' ? [] : [id]));
    ids.sort((a, b) => (texts[a]! < texts[b]! ? -1 : texts[a]! > texts[b]! ? 1 : a - b));
    const nodeBytes: number[] = [];
    const depths: number[] = [];
    const firstToken: number[] = [];
    const path: number[] = [];
    const end = new Int32Array(bytes.length + 1);
    const close = (length: number) => {
      while (path.length > length) end[path.pop()!] = nodeBytes.length;
    };
    let previous = '';
    for (const [index, id] of ids.entries()) {
      const text = texts[id]!;
      let shared = 0;
      while (shared < previous.length && previous.charCodeAt(shared) === text.charCodeAt(shared)) shared += 1;
      close(shared);
      for (let at = shared; at < text.length; at++) {
        path.push(nodeBytes.length);
        nodeBytes.push(text.charCodeAt(at));
        depths.push(at + 1);
        firstToken.push(index);
      }
      previous = text;
    }
    close(0);
    this.maxTokenBytes = depths.reduce((max, depth) => Math.max(max, depth), 0);
    this.#byte = Uint8Array.from(nodeBytes);
    this.#depth = Int32Array.from(depths);
    this.#end = end.slice(0, nodeBytes.length);
    this.#firstToken = Int32Array.from([...firstToken, ids.length]);
    this.#tokens = Int32Array.from(ids);
  }

  /** Sets the bit of every token that may follow `state`. */
  markAllowed(automaton: GrammarAutomaton, state: AutomatonState, mask: Uint32Array): void {
    const states: AutomatonState[] = [state];
    const count = this.#byte.length;
    for (let node = 0; node < count; ) {
      const depth = this.#depth[node]!;
      const next = automaton.step(states[depth - 1]!, this.#byte[node]!);
      if (next === undefined) {
        node = this.#end[node]!;
        continue;
      }
      states[depth] = next;
      const last = this.#firstToken[node + 1]!;
      for (let index = this.#firstToken[node]!; index < last; index++) {
        const id = this.#tokens[index]!;
        mask[id >> 5]! |= 1 << (id & 31);
      }
      node += 1;
    }
  }
}
