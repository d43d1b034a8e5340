/** The network addresses of this machine's devices: of hccn_tool, else of /etc/hccn.conf. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const CONFIG_FILE = '/etc/hccn.conf';

/** @returns undefined on a machine without such devices; else the addresses that are known, by device */
export function readDeviceAddresses(devices: readonly number[]): ReadonlyMap<number, string> | undefined {
  return askTool(devices) ?? readConfig();
}

/** Prints "ipaddr:10.1.2.3". */
function askTool(devices: readonly number[]): ReadonlyMap<number, string> | undefined {
  const found = new Map<number, string>();
  for (const device of devices) {
    const { stdout, error } = spawnSync('hccn_tool', ['-i', String(device), '-ip', '-g'], {
      encoding: 'utf8',
      timeout: 10_000,
    });
    const address = error === undefined ? /:\s*(\S+)/.exec(stdout.split('\n')[0] ?? '')?.[1] : undefined;
    if (address === undefined) return undefined;
    found.set(device, address);
  }
  return found;
}

/** Lines "address_0=10.1.2.3". */
function readConfig(): ReadonlyMap<number, string> | undefined {
  let text: string;
  try {
    text = readFileSync(CONFIG_FILE, 'utf8');
  } catch {
    return undefined;
  }
  return parseDeviceAddresses(text);
}

export function parseDeviceAddresses(text: string): ReadonlyMap<number, string> {
  return new Map(
    [...text.matchAll(/^\s*address_(\d+)\s*=\s*(\S+)\s*$/gm)].map(([, device, address]) => [
      Number(device),
      String(address),
    ]),
  );
}
