/** Bytes to classes of characters: UTF-8 as it is, or as it stands within a string of JSON. */
import type { CharacterClasses } from './character-classes.js';

/** A tree over the bytes of one character. */
export interface CharacterReader {
  readonly numNodes: number;
  /** [numNodes, 256]: the next node; numNodes + a class once the character is whole; -1 where none goes on so. Root: 0. */
  readonly next: Int32Array;
  /** Per node: the classes of the characters that can still be meant. */
  readonly classesUnder: readonly (readonly number[])[];
  /** Bytes of equal number are never told apart. */
  readonly byteClasses: Uint16Array;
}

const LAST_CODE_POINT = 0x10ffff;
/** Of two, three and four bytes. */
const LEADS = [
  { first: 0xc2, last: 0xdf, base: 0xc0, more: 1, min: 0x80 },
  { first: 0xe0, last: 0xef, base: 0xe0, more: 2, min: 0x800 },
  { first: 0xf0, last: 0xf4, base: 0xf0, more: 3, min: 0x10000 },
];

/** Characters as they are. */
export function plainReader(classes: CharacterClasses): CharacterReader {
  const tree = new ReaderTree(classes);
  const root = tree.utf8();
  for (let code = 0; code < 0x80; code++) root[code] = tree.leaf(classes.of(code));
  return tree.finish(root);
}

/** Characters within a string of JSON, in the one spelling that JSON.stringify gives them. */
export function jsonReader(classes: CharacterClasses): CharacterReader {
  const tree = new ReaderTree(classes);
  const root = tree.utf8();
  const escapes = new Map<string, number>();
  for (let code = 0; code < 0x80; code++) {
    const spelling = JSON.stringify(String.fromCharCode(code)).slice(1, -1);
    if (spelling.length === 1) root[code] = tree.leaf(classes.of(code));
    else escapes.set(spelling, classes.of(code));
  }
  const [backslash] = tree.spellings(escapes);
  if (backslash !== undefined) root[backslash.byte] = backslash.node;
  return tree.finish(root);
}

type Row = (number | undefined)[];

class ReaderTree {
  readonly #classes: CharacterClasses;
  readonly #rows: Row[] = [];
  readonly #known = new Map<string, number>();

  constructor(classes: CharacterClasses) {
    this.#classes = classes;
  }

  /** Leaves are below 0 until all nodes are known. */
  leaf(each: number): number | undefined {
    return each < 0 ? undefined : -1 - each;
  }

  /** The root's row for characters of several bytes. */
  utf8(): Row {
    const root: Row = new Array(256);
    for (const { first, last, base, more, min } of LEADS) {
      for (let lead = first; lead <= last; lead++) {
        root[lead] = this.#continuation((lead - base) * 64 ** more, more, min);
      }
    }
    return root;
  }

  /** The texts of one escape each. */
  spellings(texts: ReadonlyMap<string, number>): { byte: number; node: number }[] {
    const byFirst = new Map<number, Map<string, number>>();
    const leaves = new Map<number, number>();
    for (const [text, each] of texts) {
      const byte = text.charCodeAt(0);
      if (text.length === 1) leaves.set(byte, each);
      else byFirst.set(byte, (byFirst.get(byte) ?? new Map()).set(text.slice(1), each));
    }
    const out: { byte: number; node: number }[] = [];
    for (const [byte, each] of leaves) {
      const node = this.leaf(each);
      if (node !== undefined) out.push({ byte, node });
    }
    for (const [byte, rests] of byFirst) {
      const row: Row = new Array(256);
      for (const next of this.spellings(rests)) row[next.byte] = next.node;
      out.push({ byte, node: this.#node(row) });
    }
    return out;
  }

  finish(root: Row): CharacterReader {
    // The root comes first; it was not shared with any other node.
    const rows = [root, ...this.#rows];
    const numNodes = rows.length;
    const next = new Int32Array(numNodes * 256).fill(-1);
    for (const [node, row] of rows.entries()) {
      for (const [byte, target] of row.entries()) {
        if (target === undefined) continue;
        next[node * 256 + byte] = target < 0 ? numNodes - 1 - target : target + 1;
      }
    }
    return {
      numNodes,
      next,
      classesUnder: classesUnder(next, numNodes),
      byteClasses: columns(next, numNodes),
    };
  }

  /** What follows a byte, where `more` bytes are to come and the characters begin at `from`. */
  #continuation(from: number, more: number, min: number): number | undefined {
    const to = from + 64 ** more - 1;
    if (to < min || from > LAST_CODE_POINT) return undefined;
    if (more === 0) return this.leaf(this.#classes.of(from));
    const only = from >= min && to <= LAST_CODE_POINT ? this.#classes.ofRange(from, to) : undefined;
    if (only !== undefined && only < 0) return undefined;
    const key = `${more} ${only}`;
    const known = only === undefined ? undefined : this.#known.get(key);
    if (known !== undefined) return known;
    const row: Row = new Array(256);
    for (let byte = 0; byte < 64; byte++) {
      row[0x80 + byte] = this.#continuation(from + byte * 64 ** (more - 1), more - 1, min);
    }
    if (row.every((target) => target === undefined)) return undefined;
    const node = this.#node(row);
    if (only !== undefined) this.#known.set(key, node);
    return node;
  }

  #node(row: Row): number {
    const key = row.join(',');
    let node = this.#known.get(key);
    if (node === undefined) {
      node = this.#rows.push(row) - 1;
      this.#known.set(key, node);
    }
    return node;
  }
}

function classesUnder(next: Int32Array, numNodes: number): number[][] {
  const under: (number[] | undefined)[] = new Array(numNodes);
  const find = (node: number): number[] => {
    const known = under[node];
    if (known !== undefined) return known;
    const classes = new Set<number>();
    for (const target of new Set(next.subarray(node * 256, node * 256 + 256))) {
      if (target >= numNodes) classes.add(target - numNodes);
      else if (target >= 0) for (const each of find(target)) classes.add(each);
    }
    under[node] = [...classes];
    return under[node];
  };
  return Array.from({ length: numNodes }, (_, node) => find(node));
}

function columns(next: Int32Array, numNodes: number): Uint16Array {
  const numbers = new Map<string, number>();
  return Uint16Array.from({ length: 256 }, (_, byte) => {
    let key = '';
    for (let node = 0; node < numNodes; node++) key += `${next[node * 256 + byte]},`;
    const number = numbers.get(key) ?? numbers.size;
    numbers.set(key, number);
    return number;
  });
}
