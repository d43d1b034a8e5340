/** Sizes of memory as people write them. */
import { InputError } from '../errors/index.js';

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
};

/** "8GB" (10^9), "8GiB" (2^30), "512M", "1.5g", plain bytes. @throws InputError naming `option` */
export function parseByteSize(option: string, text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?$/i.exec(text.trim()) ?? [];
  const bytes = Math.floor(Number(number) * (UNITS[unit.toLowerCase()] ?? Number.NaN));
  if (number === undefined || !Number.isSafeInteger(bytes) || bytes < 1)
    throw new InputError(`${option} is "${text}"; give a size of memory such as 8GB, 512MB or 8GiB.`);
  return bytes;
}
