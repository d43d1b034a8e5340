/**
 * RANK_TABLE_FILE of the published launch scripts: which devices of which servers are which ranks.
 * {"version":"1.0","server_count":"1","server_list":[{"server_id","device":[{"device_id","device_ip","rank_id"}…],"host_nic_ip"}…],"status":"completed"}
 */
import { z } from 'zod';
import { parseConfig } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { readJsonFile } from '../../formats/index.js';

const whole = z.union([z.string().regex(/^\d{1,6}$/), z.int().min(0).max(999_999)]);

/** What is not named here is kept: a merged table has it, too. */
const tableSchema = z.looseObject({
  version: z.literal('1.0').optional(),
  server_count: whole,
  server_list: z
    .array(
      z.looseObject({
        server_id: z.string().min(1),
        device: z.array(z.looseObject({ device_id: whole, rank_id: whole })).min(1),
      }),
    )
    .min(1),
  status: z.literal('completed').optional(),
});

export interface TableDevice {
  /** On its server. */
  readonly id: number;
  readonly rank: number;
}

export interface TableServer {
  /** Its address. */
  readonly id: string;
  readonly devices: readonly TableDevice[];
}

export interface RankTable {
  readonly servers: readonly TableServer[];
}

/** Its ranks are 0 to n-1, each once. @throws InputError for a damaged table, by file, server and rank */
export function readRankTable(path: string): RankTable {
  const servers = readTableFile(path).server_list.map(({ server_id, device }) => ({
    id: server_id,
    devices: device.map(({ device_id, rank_id }) => ({ id: Number(device_id), rank: Number(rank_id) })),
  }));
  checkRanks(path, servers);
  return { servers };
}

export type TableFile = z.infer<typeof tableSchema>;

/** As it stands in the file, its ranks unchecked: a table that is to be merged may have any. @throws InputError */
export function readTableFile(path: string): TableFile {
  const table = parseConfig(tableSchema, readJsonFile(path), { source: path });
  const { server_count, server_list } = table;
  if (Number(server_count) !== server_list.length)
    throw new InputError(
      `${path}: server_count is ${server_count}, and server_list has ${server_list.length}; put the count right, or add the servers that are missing.`,
    );
  const doubled = firstDouble(server_list.map(({ server_id }) => server_id));
  if (doubled !== undefined)
    throw new InputError(
      `${path}: server_list has the server ${doubled} twice; each server stands there once.`,
    );
  for (const { server_id, device } of server_list) {
    const id = firstDouble(device.map(({ device_id }) => Number(device_id)));
    if (id !== undefined)
      throw new InputError(
        `${path}: server ${server_id} has device_id ${id} twice; each device stands there once.`,
      );
  }
  return table;
}

function checkRanks(path: string, servers: readonly TableServer[]): void {
  const ranks = servers.flatMap(({ devices }) => devices.map(({ rank }) => rank));
  const range = `the ranks are 0 to ${ranks.length - 1}, each once`;
  const doubled = firstDouble(ranks);
  if (doubled !== undefined)
    throw new InputError(`${path}: rank_id ${doubled} stands there twice; ${range}.`);
  const known = new Set(ranks);
  const missing = ranks.findIndex((_, rank) => !known.has(rank));
  if (missing >= 0)
    throw new InputError(
      `${path}: rank_id ${missing} is missing among ${ranks.length} ranks (the greatest is ${Math.max(...ranks)}); ${range}; ` +
        'xinghe launch merge-rank-tables numbers them anew.',
    );
}

export function firstDouble<T>(values: readonly T[]): T | undefined {
  return values.find((value, index) => values.indexOf(value) !== index);
}
