/** `xinghe launch rank-table` and `xinghe launch merge-rank-tables`: the rank tables of the published launch scripts. */
import { isIP } from 'node:net';
import { join } from 'node:path';
import {
  generateRankTable,
  mergeRankTables,
  ownAddresses,
  type RankTableFile,
  readDeviceAddresses,
} from '../../distributed/index.js';
import { InputError } from '../../errors/index.js';
import { writeFileAtomic } from '../../formats/index.js';
import { log } from '../../log/index.js';
import { parseOptionsAndWords } from '../options.js';

const output = {
  kind: 'string',
  value: 'DIR',
  help: 'the folder to write it to; default: the working folder',
} as const;

const tableSpecs = {
  'server-ip': {
    kind: 'string',
    value: 'IP',
    help: 'the address of the server (server_id); default: that of this machine, if it has one',
  },
  'device-ips': {
    kind: 'string',
    value: 'IP,IP…',
    help: 'the addresses of the devices of the range, in order; default: as hccn_tool or /etc/hccn.conf have them',
  },
  'visible-devices': {
    kind: 'string',
    value: 'I,I…',
    help: 'the ids of the devices, where a container shows only some; the range counts these',
  },
  'devices-per-server': { kind: 'integer', min: 1, help: 'default 8' },
  output,
} as const;

export function makeRankTable(args: readonly string[]): number {
  const { options, words } = parseOptionsAndWords(
    {
      command: "xinghe launch rank-table '[0,8)'",
      summary: 'the rank table (RANK_TABLE_FILE) of a half-open range of the devices of a server',
      notes: 'Writes hccl_{n}p_{devices}_{ip}.json and prints its path.',
    },
    tableSpecs,
    args,
  );
  const [range, ...more] = words;
  if (range === undefined || more.length > 0)
    throw new InputError(
      `xinghe launch rank-table: give one range of devices, as in xinghe launch rank-table '[0,8)' --server-ip 10.0.0.1${range === undefined ? '' : `; found ${words.map((word) => JSON.stringify(word)).join(' ')}`}.`,
    );
  const serverIp = options['server-ip'] ?? ownAddress();
  const visible = options['visible-devices'];
  const ids = visible === undefined ? undefined : numbersOf(visible);
  const table = generateRankTable({
    range,
    serverIp,
    ...(options['devices-per-server'] === undefined
      ? {}
      : { devicesPerServer: options['devices-per-server'] }),
    ...(ids === undefined ? {} : { visibleDevices: ids }),
    addressesOf: (devices) => deviceAddresses(devices, options['device-ips'], serverIp),
  });
  return write(table, options.output);
}

export function mergeTables(args: readonly string[]): number {
  const { options, words } = parseOptionsAndWords(
    {
      command: 'xinghe launch merge-rank-tables FILES…',
      summary: 'the rank tables of several servers as one, ranks numbered in the order of the files',
      notes: 'Writes hccl_{servers}s_{ranks}p.json and prints its path.',
    },
    { output },
    args,
  );
  return write(mergeRankTables(words), options.output);
}

function write({ name, text }: RankTableFile, folder: string | undefined): number {
  const path = folder === undefined ? name : join(folder, name);
  writeFileAtomic(path, text);
  process.stdout.write(`${path}\n`);
  return 0;
}

function ownAddress(): string {
  const addresses = ownAddresses().filter((address) => isIP(address) === 4);
  const [address, ...others] = addresses;
  if (address === undefined || others.length > 0)
    throw new InputError(
      `xinghe launch rank-table: this machine has ${address === undefined ? 'no address' : `the addresses ${addresses.join(', ')}`}; say which by --server-ip.`,
    );
  return address;
}

function deviceAddresses(
  devices: readonly number[],
  stated: string | undefined,
  serverIp: string,
): ReadonlyMap<number, string> {
  if (stated !== undefined) {
    const addresses = stated.split(',').map((text) => text.trim());
    const wrong = addresses.find((address) => isIP(address) === 0);
    if (wrong !== undefined)
      throw new InputError(
        `xinghe launch rank-table: --device-ips: ${JSON.stringify(wrong)} is no IP address.`,
      );
    if (addresses.length !== devices.length)
      throw new InputError(
        `xinghe launch rank-table: --device-ips has ${addresses.length} addresses for ${devices.length} devices; give one each.`,
      );
    return new Map(devices.map((device, index) => [device, addresses[index] ?? '']));
  }
  const found = readDeviceAddresses(devices);
  if (found !== undefined) return found;
  log(
    `xinghe launch rank-table: this machine has neither hccn_tool nor /etc/hccn.conf; device_ip is the address of the server, ${serverIp} (--device-ips says otherwise)`,
  );
  return new Map(devices.map((device) => [device, serverIp]));
}

function numbersOf(text: string): number[] {
  return text.split(',').map((part) => {
    if (!/^\s*\d{1,3}\s*$/.test(part))
      throw new InputError(
        `xinghe launch rank-table: --visible-devices ${text}: expected numbers of devices, such as 4,5,6,7.`,
      );
    return Number(part);
  });
}
