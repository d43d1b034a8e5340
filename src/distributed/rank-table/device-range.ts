/** A half-open range of devices, "[0,8)". */
import { InputError } from '../../errors/index.js';

export interface DeviceRange {
  readonly first: number;
  /** Not in the range. */
  readonly end: number;
}

/** Devices of one group are wired to each other. */
const GROUP = 4;

/**
 * @param devicesPerServer 8 or 16
 * @throws InputError for another form, an empty range, and one that straddles device 4 without being the whole server
 */
export function parseDeviceRange(text: string, devicesPerServer: number): DeviceRange {
  const [, from, to] = /^\[\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)$/.exec(text) ?? [];
  if (from === undefined || to === undefined)
    throw new InputError(
      `the device range ${JSON.stringify(text)}: expected the first device and the one behind the last, as in "[0,8)" or "[4,6)".`,
    );
  const [first, end] = [Number(from), Number(to)];
  if (end > devicesPerServer)
    throw new InputError(
      `the device range ${text} ends behind the devices of a server, which are 0 to ${devicesPerServer - 1} (--devices-per-server).`,
    );
  if (first >= end)
    throw new InputError(`the device range ${text} is empty; the first number is the smaller.`);
  const isWhole = first === 0 && (end === 2 * GROUP || end === devicesPerServer);
  if (first < GROUP && end > GROUP && !isWhole)
    throw new InputError(
      `the device range ${text} straddles device ${GROUP}: the devices 0 to 3 are one group and those from 4 on another; ` +
        `give a range within one of them, or all of [0,${devicesPerServer}).`,
    );
  return { first, end };
}
