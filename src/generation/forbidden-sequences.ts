/** Sequences of ids that must not be generated (Hugging Face's `bad_words_ids`). */
import { InputError } from '../errors/index.js';
import type { Penalty } from './penalties.js';
import type { LogitsRow } from './sampling-parameters.js';
import { checkTokenIds, checkWithinRow } from './token-ids.js';

const FIELD = 'forbiddenSequences';

/**
 * Forbids the token that would complete a sequence of ids ("bad words"), wherever the sequence began: in the prompt or in the
 * output. A sequence of one id forbids that id always. A step looks at those sequences alone that end, but for their last
 * token, with the text's last token.
 */
export class ForbiddenSequences implements Penalty {
  readonly #singles: Set<number>;
  /** The others by their last id but one. */
  readonly #byLastId = new Map<number, (readonly number[])[]>();
  /** Last tokens of the sequence that matter: one less than the longest sequence has. */
  readonly #reach: number = 0;
  #recent: number[];

  /**
   * @param promptIds tokens before the first generated one
   * @throws InputError for an empty sequence and for what is no token id; when applied, for ids beyond the row
   */
  constructor(sequences: readonly (readonly number[])[], promptIds: readonly number[] = []) {
    checkTokenIds(FIELD, sequences.flat());
    this.#singles = new Set(sequences.filter(({ length }) => length === 1).flat());
    for (const sequence of sequences) {
      if (sequence.length === 0)
        throw new InputError(`generation: ${FIELD} has an empty sequence; give at least one id`);
      this.#reach = Math.max(this.#reach, sequence.length - 1);
      const key = sequence.at(-2);
      const others = key === undefined ? undefined : this.#byLastId.get(key);
      if (others !== undefined) others.push(sequence);
      else if (key !== undefined) this.#byLastId.set(key, [sequence]);
    }
    this.#recent = promptIds.slice(Math.max(0, promptIds.length - this.#reach));
  }

  apply(row: LogitsRow): void {
    for (const id of this.#singles) forbid(row, id);
    const last = this.#recent.at(-1);
    if (last === undefined) return;
    for (const sequence of this.#byLastId.get(last) ?? [])
      if (this.#endsWithAllButOne(sequence)) forbid(row, sequence.at(-1)!);
  }

  add(id: number): void {
    this.#recent.push(id);
    // Cut now and then, not at every token.
    if (this.#recent.length >= 2 * this.#reach + 64)
      this.#recent = this.#recent.slice(this.#recent.length - this.#reach);
  }

  #endsWithAllButOne(sequence: readonly number[]): boolean {
    const start = this.#recent.length - (sequence.length - 1);
    if (start < 0) return false;
    for (let index = 0; index < sequence.length - 1; index++)
      if (this.#recent[start + index] !== sequence[index]) return false;
    return true;
  }
}

function forbid(row: LogitsRow, id: number): void {
  checkWithinRow(FIELD, id, row);
  row[id] = -Infinity;
}
