/**
 * Names for the contents of full blocks: the hash of a block covers every token before it and all else that its keys
 * and values depend on, so equal names mean equal contents. SHA-256, because a collision would mix two texts.
 */
import { createHash } from 'node:crypto';
import { BLOCK_SIZE } from '../../nn/index.js';

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
      const ids = Int32Array.from(this.#tokens.slice(next * BLOCK_SIZE, (next + 1) * BLOCK_SIZE));
      if (ids.length < BLOCK_SIZE) throw new RangeError(`block ${next} is not full`);
      this.#hashes.push(
        createHash('sha256')
          .update(this.#hashes[next - 1] ?? this.#context)
          .update('\0')
          .update(ids)
          .digest('base64'),
      );
    }
    return this.#hashes[block] ?? '';
  }
}
