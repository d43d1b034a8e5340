/**
 * Hashes of full blocks for the prefix cache. A hash covers every token before the block and all else that its keys and
 * values depend on. SHA-256, because a collision would mix two sequences.
 */
import { hash } from 'node:crypto';
import { BLOCK_SIZE } from '../../nn/index.js';

/** Characters of a name: 32 bytes in base64. */
const NAME_LENGTH = 44;

// What is hashed: the name of the block before, and the ids. One buffer for all: calls are synchronous.
const bytes = new Uint8Array(NAME_LENGTH + 4 * BLOCK_SIZE);
const nameBytes = Buffer.from(bytes.buffer, 0, NAME_LENGTH);
const ids = new Int32Array(bytes.buffer, NAME_LENGTH, BLOCK_SIZE);

/** The names of the full blocks of one sequence, made as far as they are asked for. */
export class PrefixHashes {
  readonly #tokens: readonly number[];
  readonly #context: string;
  readonly #hashes: string[] = [];

  /** @param tokens may grow, never change @param context what the keys depend on beside the tokens */
  constructor(tokens: readonly number[], context: string) {
    this.#tokens = tokens;
    this.#context = context;
  }

  /** @param block index of a block whose tokens are all known */
  at(block: number): string {
    for (let next = this.#hashes.length; next <= block; next++) {
      const end = (next + 1) * BLOCK_SIZE;
      if (end > this.#tokens.length) throw new RangeError(`block ${next} is not full`);
      nameBytes.write(this.#hashes[next - 1] ?? hash('sha256', this.#context, 'base64'), 'latin1');
      ids.set(this.#tokens.slice(end - BLOCK_SIZE, end));
      this.#hashes.push(hash('sha256', bytes, 'base64'));
    }
    return this.#hashes[block] ?? '';
  }
}
