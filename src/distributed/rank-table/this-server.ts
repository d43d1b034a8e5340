/** Which server of a rank table this machine is. */
import { networkInterfaces } from 'node:os';
import { InputError } from '../../errors/index.js';
import type { RankTable } from './rank-table.js';

/** By what it is told apart; the first that is given decides. */
export interface ServerChoice {
  readonly serverIp: string | undefined;
  /** Its place in the table. */
  readonly nodeRank: number | undefined;
}

/** @returns its place in the table @throws InputError if it cannot be told, naming the servers */
export function placeOfServer(
  path: string,
  { servers }: RankTable,
  { serverIp, nodeRank }: ServerChoice,
  addresses: readonly string[] = ownAddresses(),
): number {
  const names = servers.map(({ id }) => id);
  const listed = names.length > 8 ? `${names.slice(0, 8).join(', ')}, …` : names.join(', ');
  if (serverIp !== undefined) {
    const place = names.indexOf(serverIp);
    if (place < 0)
      throw new InputError(`${path}: has no server ${serverIp} (--server-ip); it has ${listed}.`);
    if (nodeRank !== undefined && nodeRank !== place)
      throw new InputError(
        `${path}: server ${serverIp} (--server-ip) is node ${place}, not ${nodeRank} (--node-rank).`,
      );
    return place;
  }
  if (nodeRank !== undefined) {
    if (nodeRank >= names.length)
      throw new InputError(
        `${path}: has ${names.length} ${names.length === 1 ? 'server' : 'servers'}, and so no node ${nodeRank} (--node-rank).`,
      );
    return nodeRank;
  }
  if (names.length === 1) return 0;
  const place = names.findIndex((name) => addresses.includes(name));
  if (place < 0)
    throw new InputError(
      `${path}: none of its servers (${listed}) has an address of this machine (${addresses.join(', ')}); say which this is by --server-ip.`,
    );
  return place;
}

/** Of this machine, but for the loopback's. */
export function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((found) =>
    (found ?? []).flatMap(({ address, internal }) => (internal ? [] : [address])),
  );
}
