/** The network interface that has an address. */
import { networkInterfaces } from 'node:os';

/** @param address IPv4 or IPv6, also an IPv4 one in the clothes of IPv6 */
export function interfaceOf(address: string | undefined): string | undefined {
  const plain = address?.replace(/^::ffff:/, '');
  return Object.entries(networkInterfaces()).find(([, found]) =>
    found?.some((one) => one.address === plain),
  )?.[0];
}
