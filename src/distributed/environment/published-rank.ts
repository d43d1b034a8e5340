/** RANK_ID, RANK_SIZE, DEVICE_ID and RANK_TABLE_FILE, as the launch scripts of the published models set them. */
import { InputError } from '../../errors/index.js';
import type { RankEnvironment } from '../rank-environment.js';
import {
  type RankTable,
  readRankTable,
  type TableDevice,
  type TableServer,
} from '../rank-table/rank-table.js';
import { DEFAULT_PORT, type Variables } from './variables.js';

/**
 * undefined without RANK_ID, or of one rank. The ranks meet at the server of rank 0 (on the loopback where there is one server) and
 * MASTER_PORT; MASTER_ADDR overrides the address.
 * @throws InputError for variables that are incomplete or do not fit the table
 */
export function publishedRank(variables: Variables): RankEnvironment | undefined {
  const rank = variables.number('RANK_ID');
  if (rank === undefined) return undefined;
  const file = variables.text('RANK_TABLE_FILE');
  const table = file === undefined ? undefined : readRankTable(file);
  const stated = variables.number('RANK_SIZE');
  const size = table === undefined ? stated : sizeOf(table);
  if (size === undefined)
    throw new InputError(
      `RANK_ID=${rank} in the environment without RANK_SIZE or RANK_TABLE_FILE; set them, or unset RANK_ID.`,
    );
  if (stated !== undefined && stated !== size)
    throw new InputError(
      `RANK_SIZE=${stated} in the environment, and ${file} (RANK_TABLE_FILE) has ${size} ranks.`,
    );
  if (size === 1) return undefined;
  const place = table === undefined ? undefined : placeIn(table, rank, file ?? '');
  const device = variables.number('DEVICE_ID');
  if (place !== undefined && device !== undefined && place.device.id !== device)
    throw new InputError(
      `RANK_ID=${rank} and DEVICE_ID=${device} in the environment, and ${file} (RANK_TABLE_FILE) gives rank ${rank} device ${place.device.id}.`,
    );
  return { rank, size, ...locally(variables, place), ...meetingPoint(variables, table, size) };
}

interface Place {
  readonly server: TableServer;
  readonly device: TableDevice;
}

function locally(
  variables: Variables,
  place: Place | undefined,
): Pick<RankEnvironment, 'localRank' | 'localSize' | 'device'> {
  const device = variables.number('DEVICE_ID') ?? 0;
  if (place === undefined) return { localRank: device, localSize: device + 1, device };
  const { devices } = place.server;
  return {
    localRank: devices.indexOf(place.device),
    localSize: devices.length,
    device: place.device.id,
  };
}

function meetingPoint(
  variables: Variables,
  table: RankTable | undefined,
  size: number,
): Pick<RankEnvironment, 'host' | 'port' | 'isStoreServed' | 'restart'> {
  const host = variables.text('MASTER_ADDR') ?? (table === undefined ? undefined : masterAddress(table));
  if (host === undefined)
    throw new InputError(
      `RANK_SIZE=${size} in the environment without RANK_TABLE_FILE or MASTER_ADDR: nothing says where rank 0 is.`,
    );
  return { host, port: variables.port('MASTER_PORT', DEFAULT_PORT), isStoreServed: false, restart: 0 };
}

function sizeOf(table: RankTable): number {
  return table.servers.reduce((sum, { devices }) => sum + devices.length, 0);
}

function placeIn(table: RankTable, rank: number, file: string): Place {
  for (const server of table.servers)
    for (const device of server.devices) if (device.rank === rank) return { server, device };
  throw new InputError(
    `RANK_ID=${rank} in the environment, and ${file} (RANK_TABLE_FILE) has ranks 0 to ${sizeOf(table) - 1}.`,
  );
}

/** The server of rank 0; all on one server need no network. */
function masterAddress({ servers }: RankTable): string | undefined {
  if (servers.length === 1) return '127.0.0.1';
  return servers.find(({ devices }) => devices.some(({ rank }) => rank === 0))?.id;
}
