/** Answers requests of an HTTP server by routes: the server is ours (create-http-server.ts) or a caller's own. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BrowserGuard, isLoopbackName } from './browser-guard.js';
import { ConcurrencyLimiter } from './concurrency-limiter.js';
import { Exchange, type ServerParts, shuttingDown } from './exchange.js';
import type { Settings } from './http-options.js';
import type { Route } from './route.js';
import { RouteTable } from './route-table.js';
import { TrustedProxies } from './trusted-proxies.js';

export class RequestHandler {
  readonly #parts: ServerParts;
  readonly #running = new Map<Exchange, Promise<void>>();
  /** Of each connection; several where a client does not wait for answers (pipelining). */
  readonly #exchanges = new Map<Duplex, Set<Exchange>>();
  #isDraining = false;

  /** @throws InputError for allowed origins and proxies that are none */
  constructor(routes: readonly Route[], settings: Settings) {
    this.#parts = {
      settings,
      table: new RouteTable(routes),
      guard: new BrowserGuard({
        allowedOrigins: settings.allowedOrigins,
        allowedHosts: settings.allowedHosts,
        isLoopback: isLoopbackName(settings.host),
        hasKeys: settings.keys.isRequired,
      }),
      gate: new ConcurrencyLimiter(settings.maxConcurrentPerKey),
      proxies: new TrustedProxies(settings.trustedProxies),
      isDraining: () => this.#isDraining,
    };
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Requests that are not answered to their end. */
  get running(): number {
    return this.#running.size;
  }

  /** @param needsContinue the client waits for a 100 before it sends its body. Default false */
  handle(request: IncomingMessage, response: ServerResponse, needsContinue = false): void {
    const exchanges = this.#exchangesOf(request.socket);
    const exchange = new Exchange(this.#parts, request, response, needsContinue);
    exchanges.add(exchange);
    const done = Promise.all([exchange.run(), exchange.closed]).then(() => {
      this.#running.delete(exchange);
      exchanges.delete(exchange);
    });
    this.#running.set(exchange, done);
  }

  /** An answer is being sent on this connection. */
  isAnswering(socket: Duplex): boolean {
    return [...(this.#exchanges.get(socket) ?? [])].some(({ isBegun }) => isBegun);
  }

  /** From now on requests get a 503, as health does; those under way go on. */
  refuseNew(): void {
    this.#isDraining = true;
  }

  /** Ends those under way with a 503. */
  abortAll(): void {
    for (const exchange of this.#running.keys()) exchange.abort(shuttingDown());
  }

  /** Waits until all are answered, `milliseconds` at most. */
  async settled(milliseconds: number): Promise<void> {
    if (this.#running.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, milliseconds);
    });
    await Promise.race([Promise.all(this.#running.values()), timeout]);
    clearTimeout(timer);
  }

  /** Node tells only the answer that is being sent of the end of its connection, not those that wait behind it. */
  #exchangesOf(socket: Socket): Set<Exchange> {
    const known = this.#exchanges.get(socket);
    if (known !== undefined) return known;
    const exchanges = new Set<Exchange>();
    this.#exchanges.set(socket, exchanges);
    socket.once('close', () => {
      this.#exchanges.delete(socket);
      for (const exchange of exchanges) exchange.close();
    });
    return exchanges;
  }
}
