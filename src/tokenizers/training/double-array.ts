/** Writes the trie that SentencePiece keeps its normalisation rules in: a double array in the layout of darts-clone. */

const ROOT = 0;
const BLOCK = 256;
/** A search that went so far over units that do not fit begins where it ended the next time. */
const MAX_DISTANCE = 128;
/** Marks a unit as holding a value; also put into unused units, so that no byte matches them. */
const VALUE_BIT = 0x80000000;
const HAS_VALUE = 0x100;
/** Offsets beyond this need a second form of unit, which tries of a few hundred thousand keys never reach. */
const MAX_OFFSET = 2 ** 21;

interface TrieNode {
  readonly children: Map<number, TrieNode>;
  value: number;
}

/**
 * The units of a double array over the UTF-8 bytes of `keys` (not empty, no byte 0); values below 2^31.
 * A unit: label in bits 0 to 7, "a value follows" in bit 8, offset to the children from bit 10.
 */
export function buildDoubleArray(keys: Iterable<readonly [key: string, value: number]>): Uint32Array {
  const root: TrieNode = { children: new Map(), value: -1 };
  for (const [key, value] of keys) {
    let node = root;
    for (const byte of Buffer.from(key)) {
      let child = node.children.get(byte);
      if (!child) {
        child = { children: new Map(), value: -1 };
        node.children.set(byte, child);
      }
      node = child;
    }
    node.value = value;
  }
  const units = new UnitPool();
  units.take(ROOT);
  place(root, ROOT, 0, units);
  return units.finish();
}

/** Puts the children of a node (and the value that ends there, as a child labelled 0) into free units. */
function place(node: TrieNode, at: number, label: number, units: UnitPool): void {
  const labels = [...node.children.keys()].sort((a, b) => a - b);
  if (node.value >= 0) labels.unshift(0);
  const base = units.findBase(labels);
  const offset = at ^ base;
  if (offset >= MAX_OFFSET) throw new RangeError(`the trie outgrew its format: offset ${offset}`);
  units.set(at, ((offset << 10) | (node.value >= 0 ? HAS_VALUE : 0) | label) >>> 0);
  for (const child of labels) units.take(base ^ child);
  if (node.value >= 0) units.set(base, (node.value | VALUE_BIT) >>> 0);
  for (const [byte, child] of node.children) place(child, base ^ byte, byte, units);
}

/** Units by index, free or taken, and the bases in use: no two nodes may share one. */
class UnitPool {
  #units = new Uint32Array(1 << 16).fill(VALUE_BIT);
  #taken = new Uint8Array(1 << 16);
  #usedBase = new Uint8Array(1 << 16);
  #end = 1;
  constructor() {
    this.#usedBase[0] = 1; // readers take offset 0 of the root for an empty trie
  }

  /** Where the search begins for one label, two, three and more: before it hardly anything fits. */
  readonly #cursors = [1, 1, 1];

  take(index: number): void {
    this.#reserve(index);
    this.#taken[index] = 1;
    this.#end = Math.max(this.#end, index + 1);
  }

  set(index: number, unit: number): void {
    this.#units[index] = unit;
  }

  /** A base whose units for all labels are free. */
  findBase(labels: readonly number[]): number {
    const first = labels[0]!;
    const kind = Math.min(labels.length, this.#cursors.length) - 1;
    const start = this.#cursors[kind]!;
    for (let index = start; ; index++) {
      this.#reserve(index | (BLOCK - 1));
      if (this.#taken[index] === 1) continue;
      const base = index ^ first;
      if (this.#usedBase[base] === 1 || !this.#areFree(base, labels)) continue;
      this.#usedBase[base] = 1;
      if (index - start > MAX_DISTANCE) this.#cursors[kind] = index;
      return base;
    }
  }

  #areFree(base: number, labels: readonly number[]): boolean {
    for (const label of labels) if (this.#taken[base ^ label] === 1) return false;
    return true;
  }

  /** Whole blocks: a reader may look at any label of the last one. */
  finish(): Uint32Array {
    return this.#units.slice(0, Math.ceil(this.#end / BLOCK) * BLOCK);
  }

  #reserve(index: number): void {
    if (index < this.#taken.length) return;
    const size = this.#taken.length * 2;
    const units = new Uint32Array(size).fill(VALUE_BIT);
    units.set(this.#units);
    this.#units = units;
    this.#taken = grown(this.#taken, size);
    this.#usedBase = grown(this.#usedBase, size);
  }
}

function grown(array: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(size);
  copy.set(array);
  return copy;
}
