/** Adapters of the experts of a mixture, which are refused. */
import type { NameTable } from '../name-table.js';

/** A parameter that holds one matrix for each expert, or one of them: no layer that an adapter changes. */
export function isOfExperts(names: NameTable, published: string): boolean {
  if (names.pieceOf(published) !== undefined) return true;
  const ownPath = names.fromPublished(published);
  return ownPath !== undefined && ownPath !== 'skip' && names.piecesOf(ownPath) !== undefined;
}

/** What to say of an adapter for such a one. */
export const NO_EXPERT_ADAPTERS =
  'adapters of experts are not read here; merge it where it was trained, and convert the merged model';
