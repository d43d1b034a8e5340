/** The HTTP server: listens, routes each request, and drains before it closes. */
import { createServer, type Server, STATUS_CODES } from 'node:http';
import { type AddressInfo, Server as NetServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { InputError, messageOf } from '../../errors/index.js';
import { log } from '../../log/index.js';
import { accessLine } from './access-log.js';
import { ApiKeys } from './api-keys.js';
import { isLoopbackName } from './browser-guard.js';
import { HttpError } from './http-error.js';
import type { HttpServerOptions, Settings } from './http-options.js';
import { RequestHandler } from './request-handler.js';
import type { Route } from './route.js';

/** Bytes of a request's head; more is a 431. */
const MAX_HEAD_BYTES = 32 * 1024;
/** After the time to drain is over, what is told to end may still say goodbye. */
const CLOSE_GRACE_MILLISECONDS = 1000;

/**
 * @param routes as the table takes them; nothing else is answered
 * @throws InputError for allowed origins and proxies that are none
 */
export function createHttpServer(routes: readonly Route[], options: HttpServerOptions = {}): HttpService {
  return new HttpService(routes, withDefaults(options));
}

export class HttpService {
  readonly #server: Server;
  readonly #settings: Settings;
  readonly #handler: RequestHandler;

  constructor(routes: readonly Route[], settings: Settings) {
    this.#settings = settings;
    const handler = new RequestHandler(routes, settings);
    this.#handler = handler;
    this.#server = createServer({
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: settings.headerTimeout,
      // The body has a timer of its own, which can still answer; this one ends what is left.
      requestTimeout: settings.headerTimeout + settings.bodyTimeout + 5000,
      keepAliveTimeout: settings.keepAliveTimeout,
      connectionsCheckingInterval: Math.min(1000, settings.headerTimeout),
      requireHostHeader: false,
      noDelay: true,
    });
    // Counted by us: beyond this limit Node would leave headers out without a word.
    this.#server.maxHeadersCount = 0;
    this.#server.maxConnections = settings.maxConnections;
    this.#server.on('request', (request, response) => handler.handle(request, response));
    this.#server.on('checkContinue', (request, response) => handler.handle(request, response, true));
    this.#server.on('checkExpectation', (request, response) => handler.handle(request, response));
    this.#server.on('clientError', (error, socket) => this.#refuse(error, socket));
  }

  /** @throws InputError where other machines could use it without a key, or the address cannot be listened on */
  async listen(): Promise<void> {
    const { host, port, keys, allowOpen } = this.#settings;
    if (!keys.isRequired && !isLoopbackName(host) && !allowOpen)
      throw new InputError(
        `Listening on ${host} without API keys would let every machine that reaches it use the model; give --api-key-file, listen on 127.0.0.1, or say --allow-open.`,
      );
    await new Promise<void>((resolve, reject) => {
      const onError = (error: Error): void =>
        reject(new InputError(`${host} port ${port} cannot be listened on: ${whyNot(error)}.`));
      this.#server.once('error', onError);
      this.#server.listen(port, host, () => {
        this.#server.off('error', onError);
        this.#server.on('error', (error) => log(`server: ${messageOf(error)}`));
        resolve();
      });
    });
  }

  get address(): AddressInfo {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the server does not listen');
    return address;
  }

  /** e.g. `http://127.0.0.1:8000`. */
  get url(): string {
    const { address, family, port } = this.address;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  get isDraining(): boolean {
    return this.#handler.isDraining;
  }

  /** Requests that are not answered to their end. */
  get running(): number {
    return this.#handler.running;
  }

  /** Open connections. */
  async connections(): Promise<number> {
    return await new Promise((resolve, reject) =>
      this.#server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
    );
  }

  /**
   * Takes no further connections; requests on those that are open get a 503, as health does; waits for those under way,
   * ends them after `milliseconds`, then closes everything.
   */
  async drain(milliseconds: number): Promise<void> {
    this.#handler.refuseNew();
    // Of net, not of http: the latter cuts idle connections at the moment when a request may be on its way.
    const closed = new Promise<void>((resolve) => {
      NetServer.prototype.close.call(this.#server, () => resolve());
    });
    await this.#handler.settled(milliseconds);
    this.#handler.abortAll();
    await this.#handler.settled(CLOSE_GRACE_MILLISECONDS);
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** At once. */
  async close(): Promise<void> {
    await this.drain(0);
  }

  /** What is no HTTP, or takes too long to become a request. */
  #refuse(error: Error & { readonly code?: string }, socket: Duplex): void {
    const isGone = error.code === 'ECONNRESET' || error.code === 'HPE_INVALID_EOF_STATE';
    if (!socket.writable || isGone || this.#handler.isAnswering(socket)) {
      socket.destroy();
      return;
    }
    const { status, envelope } = refusal(error.code);
    const body = JSON.stringify(envelope);
    this.#settings.observer?.httpRequest({ handler: 'none', method: 'none', status, seconds: 0 });
    this.#settings.accessLog?.(
      accessLine({
        requestId: 'none',
        remote: 'remoteAddress' in socket ? String(socket.remoteAddress) : undefined,
        method: 'none',
        path: '',
        status,
        seconds: 0,
        bytes: Buffer.byteLength(body),
        keyName: undefined,
        reason: `${envelope.error.message} ${error.code ?? ''}`.trim(),
      }),
    );
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      () => socket.destroy(),
    );
  }
}

function whyNot(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'EADDRINUSE':
      return 'the port is in use; take another one, or 0 for one that is free';
    case 'EACCES':
      return 'the port may not be used; take one above 1023';
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'this machine has no such address';
    default:
      return messageOf(error);
  }
}

function refusal(code: string | undefined): HttpError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new HttpError(431, { message: `The request's head is larger than ${MAX_HEAD_BYTES} bytes.` });
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new HttpError(408, { message: 'The request did not arrive in time.' });
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new HttpError(413, { message: "The body's chunk extensions are too large." });
    default:
      return new HttpError(400, { message: `The request is not valid HTTP (${code ?? 'unknown fault'}).` });
  }
}

/**
 * Routes for a server that somebody else made and listens with: of the options, those of the server itself mean nothing.
 * @throws InputError for allowed origins and proxies that are none
 */
export function createRequestHandler(
  routes: readonly Route[],
  options: HttpServerOptions = {},
): RequestHandler {
  return new RequestHandler(routes, withDefaults(options));
}

function withDefaults(options: HttpServerOptions): Settings {
  return {
    host: options.host ?? '127.0.0.1',
    port: options.port ?? 8000,
    keys: options.keys ?? new ApiKeys(),
    allowOpen: options.allowOpen ?? false,
    allowedOrigins: options.allowedOrigins ?? [],
    allowedHosts: options.allowedHosts ?? [],
    trustedProxies: options.trustedProxies ?? [],
    maxBodyBytes: options.maxBodyBytes ?? 4 * 1024 * 1024,
    maxJsonDepth: options.maxJsonDepth ?? 64,
    maxHeaders: options.maxHeaders ?? 256,
    headerTimeout: options.headerTimeout ?? 10_000,
    bodyTimeout: options.bodyTimeout ?? 30_000,
    keepAliveTimeout: options.keepAliveTimeout ?? 75_000,
    maxConnections: options.maxConnections ?? 1024,
    maxConcurrentPerKey: options.maxConcurrentPerKey ?? 0,
    pingInterval: options.pingInterval ?? 15_000,
    stallTimeout: options.stallTimeout ?? 60_000,
    accessLog: options.accessLog === undefined ? log : options.accessLog,
    observer: options.observer,
  };
}
