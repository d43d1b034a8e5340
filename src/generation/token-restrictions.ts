/** Tokens that an answer may not have, whatever their logits; applied after the penalties. */
import { InputError } from '../errors/index.js';
import { ForbiddenSequences } from './forbidden-sequences.js';
import type { Penalty } from './penalties.js';
import type { LogitsRow } from './sampling-parameters.js';
import { checkTokenIds, checkWithinRow } from './token-ids.js';

export interface TokenRestrictions {
  /** Only these are generated. Default: all. */
  readonly allowedTokenIds?: readonly number[] | undefined;
  /** Sequences of ids that are never completed, prompt included. Default: none. */
  readonly forbiddenSequences?: readonly (readonly number[])[] | undefined;
  /** No stop id is chosen before this many tokens. Default 0. */
  readonly minNewTokens?: number | undefined;
  readonly stopTokenIds?: readonly number[] | undefined;
}

/**
 * What the restrictions ask for; empty if nothing.
 * @param promptIds tokens before the first generated one
 * @throws InputError for ids that are none, an empty list or sequence, a negative number of tokens; when applied, for ids
 *   beyond the row
 */
export function createRestrictions(
  { allowedTokenIds, forbiddenSequences = [], minNewTokens = 0, stopTokenIds = [] }: TokenRestrictions,
  promptIds: readonly number[],
): Penalty[] {
  const restrictions: Penalty[] = [];
  if (allowedTokenIds !== undefined) restrictions.push(new AllowedTokens(allowedTokenIds));
  if (forbiddenSequences.length > 0) restrictions.push(new ForbiddenSequences(forbiddenSequences, promptIds));
  if (!Number.isSafeInteger(minNewTokens) || minNewTokens < 0)
    throw new InputError(`generation: minNewTokens is ${minNewTokens}; give a whole number from 0`);
  if (minNewTokens > 0 && stopTokenIds.length > 0)
    restrictions.push(new MinNewTokens(minNewTokens, stopTokenIds));
  return restrictions;
}

/** Forbids every token but these. */
export class AllowedTokens implements Penalty {
  readonly #ids: Int32Array;
  readonly #kept: Float64Array;

  /** @throws InputError if there is none, or an id is none */
  constructor(ids: readonly number[]) {
    if (ids.length === 0)
      throw new InputError('generation: allowedTokenIds is empty; give at least one id, or leave it out');
    checkTokenIds('allowedTokenIds', ids);
    this.#ids = Int32Array.from(new Set(ids));
    this.#kept = new Float64Array(this.#ids.length);
  }

  /** Clears the whole row at once, which is quicker than to ask for each token. @throws InputError for ids beyond it */
  apply(row: LogitsRow): void {
    for (const [index, id] of this.#ids.entries()) {
      checkWithinRow('allowedTokenIds', id, row);
      this.#kept[index] = row[id]!;
    }
    row.fill(-Infinity);
    for (const [index, id] of this.#ids.entries()) row[id] = this.#kept[index]!;
  }

  add(): void {}
}

/** Forbids the ends of an answer that is too short. */
export class MinNewTokens implements Penalty {
  #missing: number;
  readonly #stopIds: readonly number[];

  constructor(count: number, stopTokenIds: readonly number[]) {
    this.#missing = count;
    this.#stopIds = stopTokenIds;
  }

  apply(row: LogitsRow): void {
    // A stop id beyond the row cannot come anyway: the tokenizer may have more ids than the model.
    if (this.#missing > 0) for (const id of this.#stopIds) if (id < row.length) row[id] = -Infinity;
  }

  add(): void {
    this.#missing -= 1;
  }
}
