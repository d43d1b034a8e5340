/** Which node starts which ranks. */
import { InputError } from '../../errors/index.js';
import type { NodeStart, RankStart } from './protocol.js';

export interface NodeShare {
  readonly nproc: number;
  /** Of a rank table: which ranks, on which devices. */
  readonly table: readonly { readonly rank: number; readonly device: number }[] | undefined;
}

export type StartBase = Omit<NodeStart, 'node' | 'nodes' | 'worldSize' | 'ranks'>;

/**
 * Ranks are numbered node after node, or as the rank table has it.
 * @param shares by node @throws InputError if the tables of the nodes do not make up one
 */
export function planStarts(shares: readonly NodeShare[], base: StartBase): NodeStart[] {
  const worldSize = shares.reduce((sum, { nproc }) => sum + nproc, 0);
  const taken = new Set<number>();
  let next = 0;
  return shares.map(({ nproc, table }, node) => {
    const ranks = Array.from({ length: nproc }, (_, localRank): RankStart => {
      const place = table?.[localRank] ?? { rank: next, device: localRank };
      next += 1;
      if (place.rank >= worldSize || taken.has(place.rank))
        throw new InputError(
          `xinghe launch: node ${node} has rank ${place.rank} by its rank table, and ${place.rank >= worldSize ? `there are ${worldSize} ranks in all` : 'so has another node'}; give the same --rank-table on every node.`,
        );
      taken.add(place.rank);
      return { rank: place.rank, localRank, device: place.device };
    });
    return { ...base, node, nodes: shares.length, worldSize, ranks };
  });
}
