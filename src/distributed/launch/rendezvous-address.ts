/** HOST:PORT, where the launchers of several nodes meet. */
import { InputError } from '../../errors/index.js';

export interface RendezvousAddress {
  readonly host: string;
  readonly port: number;
}

/** torchrun's. */
export const DEFAULT_RENDEZVOUS_PORT = 29_400;

/** @param text "node0:29400", "10.0.0.1:29400", "[fe80::1]:29400", each also without the port @throws InputError */
export function parseRendezvous(text: string): RendezvousAddress {
  const [, bracketed, plain, digits] =
    /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = digits === undefined ? DEFAULT_RENDEZVOUS_PORT : Number(digits);
  if (host === undefined || port < 1 || port > 65_535)
    throw new InputError(
      `xinghe launch: --rendezvous ${text}: expected HOST:PORT of node 0, such as 10.0.0.1:29400 or [fe80::1]:29400.`,
    );
  return { host, port };
}

export function showAddress({ host, port }: RendezvousAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
