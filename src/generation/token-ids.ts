/** Checks of token ids in requests. */
import { InputError } from '../errors/index.js';
import type { LogitsRow } from './sampling-parameters.js';

/** @throws InputError for an id that can be none, naming the field it came in */
export function checkTokenIds(field: string, ids: Iterable<number>): void {
  for (const id of ids)
    if (!Number.isSafeInteger(id) || id < 0)
      throw new InputError(`generation: ${field} names token ${id}; give token ids from 0`);
}

/** @throws InputError for an id outside the vocabulary, which is as long as the row */
export function checkWithinRow(field: string, id: number, { length }: LogitsRow): void {
  if (id >= length)
    throw new InputError(`generation: ${field} names token ${id}; the vocabulary has ids 0 to ${length - 1}`);
}
