/** The rank table of one server, as the published tool (hccl_tools) makes it. */
import { isIP } from 'node:net';
import { InputError } from '../../errors/index.js';
import { type DeviceRange, parseDeviceRange } from './device-range.js';
import { firstDouble } from './rank-table.js';
import { type RankTableFile, rankTableText } from './rank-table-file.js';

export interface GenerateRankTableOptions {
  /** "[0,8)" */
  readonly range: string;
  readonly serverIp: string;
  /** Default 8. */
  readonly devicesPerServer?: number;
  /** Ids of the devices by their logical number, where a container shows only some. Default: the same. */
  readonly visibleDevices?: readonly number[];
  /** Their network addresses. */
  readonly addressesOf: (devices: readonly number[]) => ReadonlyMap<number, string>;
}

/**
 * The name is hccl_{n}p_{logical numbers}_{ip}.json.
 * @throws InputError for a range that is none, an address that is none, and devices whose addresses are unknown
 */
export function generateRankTable(options: GenerateRankTableOptions): RankTableFile {
  const { serverIp, devicesPerServer = 8 } = options;
  const range = parseDeviceRange(options.range, devicesPerServer);
  if (isIP(serverIp) === 0)
    throw new InputError(`--server-ip ${serverIp}: expected an IP address, such as 10.0.0.1.`);
  const numbers = Array.from({ length: range.end - range.first }, (_, index) => range.first + index);
  const ids = visibleIds(numbers, range, options);
  const addresses = options.addressesOf(ids);
  const device = ids.map((id, rank) => ({
    device_id: String(id),
    device_ip: addressOfDevice(id, addresses),
    rank_id: String(rank),
  }));
  return {
    name: `hccl_${numbers.length}p_${numbers.join('')}_${serverIp}.json`,
    text: rankTableText([{ server_id: serverIp, device, host_nic_ip: 'reserve' }]),
  };
}

function visibleIds(
  numbers: readonly number[],
  range: DeviceRange,
  { visibleDevices, range: text }: GenerateRankTableOptions,
): readonly number[] {
  if (visibleDevices === undefined) return numbers;
  const doubled = firstDouble(visibleDevices);
  if (doubled !== undefined) throw new InputError(`--visible-devices names device ${doubled} twice.`);
  if (range.end > visibleDevices.length)
    throw new InputError(
      `the device range ${text} ends behind the ${visibleDevices.length} devices of --visible-devices.`,
    );
  return visibleDevices.slice(range.first, range.end);
}

function addressOfDevice(id: number, addresses: ReadonlyMap<number, string>): string {
  const address = addresses.get(id);
  if (address === undefined)
    throw new InputError(
      `the address of device ${id} is not known: it is not in /etc/hccn.conf; give the addresses by --device-ips.`,
    );
  return address;
}
