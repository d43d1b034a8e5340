/**
 * What pages of other sites, open in a browser that can reach this server, may do with it.
 *
 * Without keys the address is the only protection, and a browser lends it to every page: a page may post to 127.0.0.1, or
 * give its own name the address 127.0.0.1 after it was loaded (DNS rebinding) and then even read the answers. So without
 * keys a request that says where it comes from (Origin) must come from our own page or an allowed origin, and on a
 * loopback address the Host must be a name of this machine. With keys neither is needed: the other page has no key.
 * Nothing is said to other origins (CORS) unless they are allowed.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { InputError } from '../../errors/index.js';
import { badRequest, HttpError } from './http-error.js';

export interface BrowserGuardOptions {
  /** Origins whose pages may call and read, e.g. `https://chat.example.org`; `*` for all. Default none. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Further names (with or without port) under which the server may be asked on a loopback address. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** The server listens on a loopback address only. */
  readonly isLoopback: boolean;
  readonly hasKeys: boolean;
}

export class BrowserGuard {
  readonly #origins: ReadonlySet<string>;
  readonly #hosts: ReadonlySet<string>;
  readonly #options: BrowserGuardOptions;

  /** @throws InputError for an allowed origin that is none */
  constructor(options: BrowserGuardOptions) {
    this.#options = options;
    this.#origins = new Set((options.allowedOrigins ?? []).map(parseOrigin));
    this.#hosts = new Set((options.allowedHosts ?? []).map((host) => host.toLowerCase()));
  }

  /**
   * @param host what the request is sent to: of its target where that is a whole URL, else of the header
   * @returns the name in it, in lower case
   * @throws HttpError 400 for one that is missing (HTTP/1.1), given twice or no host
   */
  checkHost(request: IncomingMessage, host: string | undefined): string | undefined {
    const lines = request.rawHeaders.filter((name, index) => index % 2 === 0 && /^host$/i.test(name)).length;
    if (lines === 0 && request.httpVersion === '1.1')
      throw badRequest('The request has no Host header.', 'host');
    // Two readers of the request could each take another one.
    if (lines > 1) throw badRequest(`The request has ${lines} Host headers; send one.`, 'host');
    return host === undefined ? undefined : hostName(host.toLowerCase());
  }

  /**
   * For what pages of others must not reach. Our own page's files are none of that: they say nothing of this server.
   * @throws HttpError 403 for a Host or an Origin that is not ours
   */
  checkSite(headers: IncomingHttpHeaders, given: string | undefined): void {
    const host = given?.toLowerCase();
    const name = host === undefined ? undefined : hostName(host);
    const { isLoopback, hasKeys } = this.#options;
    if (hasKeys) return;
    if (isLoopback && host !== undefined && !this.#isOurHost(host, name ?? ''))
      throw new HttpError(403, {
        message: `This server answers to localhost, not to ${JSON.stringify(host.slice(0, 80))}; to be asked under that name, start it with keys, or with --allow-host.`,
        param: 'host',
      });
    const { origin } = headers;
    if (origin === undefined || this.#allows(origin)) return;
    if (host !== undefined && (origin === `http://${host}` || origin === `https://${host}`)) return;
    throw new HttpError(403, {
      message: `Pages of ${JSON.stringify(origin.slice(0, 80))} may not use this server; start it with that --allow-origin, or with keys.`,
      param: 'origin',
    });
  }

  /** What an answer says to a page of another origin; nothing to those that are not allowed. */
  headersFor(origin: string | undefined): Readonly<Record<string, string>> {
    if (this.#origins.size === 0) return {};
    if (origin === undefined || !this.#allows(origin)) return { vary: 'Origin' };
    return {
      vary: 'Origin',
      'access-control-allow-origin': origin,
      'access-control-expose-headers': 'X-Request-Id, Retry-After',
    };
  }

  /** The answer to an OPTIONS that asks for another request; undefined where the origin is not allowed. */
  preflightHeaders(
    { origin, ...headers }: IncomingHttpHeaders,
    allowed: readonly string[],
  ): Readonly<Record<string, string>> | undefined {
    if (origin === undefined || !this.#allows(origin)) return undefined;
    const wanted = headers['access-control-request-headers'] ?? '';
    return {
      ...this.headersFor(origin),
      'access-control-allow-methods': allowed.join(', '),
      'access-control-allow-headers': /^[\w\-, ]{1,1000}$/.test(wanted)
        ? wanted
        : 'authorization, content-type',
      'access-control-max-age': '600',
    };
  }

  #allows(origin: string): boolean {
    return this.#origins.has('*') || this.#origins.has(origin);
  }

  #isOurHost(host: string, name: string): boolean {
    return isLoopbackName(name) || this.#hosts.has(host) || this.#hosts.has(name);
  }
}

/** `localhost`, a name below it, 127.x.y.z or ::1. */
export function isLoopbackName(name: string): boolean {
  return /^(?:localhost|.+\.localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)\.?$/i.test(name);
}

/** @throws HttpError 400 */
function hostName(host: string): string {
  const name = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/.exec(host)?.[1];
  if (name === undefined)
    throw badRequest(`The Host header is ${JSON.stringify(host.slice(0, 80))}.`, 'host');
  return name;
}

function parseOrigin(text: string): string {
  if (text === '*') return text;
  const origin = URL.canParse(text) ? new URL(text).origin : 'null';
  if (origin !== 'null' && origin === text.replace(/\/$/, '').toLowerCase()) return origin;
  throw new InputError(
    `Allowed origins: ${JSON.stringify(text)} is none; give e.g. https://chat.example.org, or *.`,
  );
}
