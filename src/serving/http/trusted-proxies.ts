/** Who is asking, where a proxy of ours stands between: X-Forwarded-For, as far as it was written by proxies we know. */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { InputError } from '../../errors/index.js';

/** Of one header; a caller could send ever more. */
const MAX_HOPS = 32;

export class TrustedProxies {
  readonly #list = new BlockList();
  readonly #isEmpty: boolean;

  /** @param addresses `127.0.0.1`, `10.0.0.0/8`, `::1` @throws InputError for what is neither */
  constructor(addresses: readonly string[]) {
    this.#isEmpty = addresses.length === 0;
    for (const text of addresses) this.#add(text);
  }

  /** The last address that no trusted proxy stands for; of the connection itself where that is none of them. */
  clientOf({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): string | undefined {
    const direct = socket.remoteAddress;
    const forwarded = headers['x-forwarded-for'];
    if (this.#isEmpty || direct === undefined || forwarded === undefined) return direct;
    const hops = (Array.isArray(forwarded) ? forwarded.join(',') : forwarded).split(',').slice(-MAX_HOPS);
    let client = direct;
    while (this.#isTrusted(client)) {
      const before = addressOf(hops.pop() ?? '');
      if (before === undefined) break;
      client = before;
    }
    return client;
  }

  #add(text: string): void {
    const [address = '', length] = text.split('/', 2);
    const version = isIP(address);
    const bits = length === undefined ? undefined : Number(length === '' ? Number.NaN : length);
    const maxBits = version === 6 ? 128 : 32;
    if (version === 0 || (bits !== undefined && !(Number.isInteger(bits) && bits >= 0 && bits <= maxBits)))
      throw new InputError(
        `Trusted proxies: ${JSON.stringify(text)} is no address; give e.g. 127.0.0.1, ::1 or 10.0.0.0/8.`,
      );
    const family = version === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) this.#list.addAddress(address, family);
    else this.#list.addSubnet(address, bits, family);
  }

  #isTrusted(address: string): boolean {
    // A socket that takes both kinds says ::ffff:127.0.0.1.
    const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
    const version = isIP(plain);
    return version !== 0 && this.#list.check(plain, version === 6 ? 'ipv6' : 'ipv4');
  }
}

/** Some proxies write a port behind it. */
function addressOf(text: string): string | undefined {
  const trimmed = text.trim();
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(trimmed)?.[1] ?? trimmed.replace(/^([\d.]+):\d+$/, '$1');
  return isIP(bare) === 0 ? undefined : bare;
}
