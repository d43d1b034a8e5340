/** A trie over strings. */
import { NO_MERGE, PairTable } from './pair-table.js';

/** A set of strings with a non-negative integer each, walked by UTF-16 code unit. */
export class Trie {
  readonly #edges = new PairTable();
  readonly #values: number[] = [-1];
  /** 1 for each code unit that some string starts with: lets a scan skip the others cheaply. */
  readonly starts = new Uint8Array(0x10000);

  /** A later value for the same string replaces the earlier one. The empty string may not be added. */
  add(text: string, value: number): void {
    let node = 0;
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      let child = this.step(node, unit);
      if (child < 0) {
        child = this.#values.push(-1) - 1;
        this.#edges.set(node, unit, NO_MERGE, child);
      }
      node = child;
    }
    this.starts[text.charCodeAt(0)] = 1;
    this.#values[node] = value;
  }

  /** The node behind an edge, -1 if there is none. The root is 0. */
  step(node: number, unit: number): number {
    const handle = this.#edges.find(node, unit);
    return handle < 0 ? -1 : this.#edges.merged(handle);
  }

  /** The value of the string that ends at a node, -1 if none does. */
  valueAt(node: number): number {
    return this.#values[node]!;
  }

  /** The value of a string that was added, -1 for any other. */
  valueOf(text: string): number {
    let node = 0;
    for (let index = 0; index < text.length && node >= 0; index++)
      node = this.step(node, text.charCodeAt(index));
    return node < 0 ? -1 : this.valueAt(node);
  }

  /** Length of the longest string that stands in `text` at `start`, 0 if none does. */
  longestMatch(text: string, start: number): number {
    if (this.starts[text.charCodeAt(start)] !== 1) return 0;
    let node = 0;
    let longest = 0;
    for (let index = start; index < text.length; index++) {
      node = this.step(node, text.charCodeAt(index));
      if (node < 0) break;
      if (this.valueAt(node) >= 0) longest = index + 1 - start;
    }
    return longest;
  }
}
