/** One request and its response, from the head to the last byte. */
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { log } from '../../log/index.js';
import { accessLine, type WorkFacts } from './access-log.js';
import type { BrowserGuard } from './browser-guard.js';
import type { ConcurrencyLimiter } from './concurrency-limiter.js';
import { ClientGoneError, HttpError, toHttpError } from './http-error.js';
import type { Settings } from './http-options.js';
import { checkContentType, parseJsonBody, readBody } from './json-body.js';
import type { Route } from './route.js';
import { parseTarget, type RequestTarget, type RouteTable } from './route-table.js';
import { ServerReply } from './server-reply.js';
import type { TrustedProxies } from './trusted-proxies.js';
import { hasBody, linger } from './unread-body.js';

/** What all exchanges of a server share. */
export interface ServerParts {
  readonly settings: Settings;
  readonly table: RouteTable;
  readonly guard: BrowserGuard;
  readonly gate: ConcurrencyLimiter;
  readonly proxies: TrustedProxies;
  readonly isDraining: () => boolean;
}

/** Routes that answer while the server drains: whoever watches must see what happens. */
export const drainingNames: ReadonlySet<string> = new Set(['/health/live', '/metrics']);

/** Objects, lists and keys of a body: so many take some 20 ms to build and to check. */
const MAX_JSON_PARTS = 32_768;
/** Numbers, texts and the like; a body of 4 MB holds 700,000 token ids. */
const MAX_JSON_VALUES = 500_000;

export class Exchange {
  readonly requestId: string;
  /** When the answer is sent, or the client gone. */
  readonly closed: Promise<void>;
  #resolveClosed: (() => void) | undefined;
  readonly #parts: ServerParts;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #controller = new AbortController();
  readonly #started = performance.now();
  readonly #bytesBefore: number;
  /** A closed connection has none. */
  readonly #remote: string | undefined;
  readonly #reply: ServerReply;
  #path = '';
  #route: Route | undefined;
  #keyName: string | undefined;
  #needsContinue: boolean;
  #facts: (() => WorkFacts) | undefined;
  #reason: string | undefined;

  constructor(
    parts: ServerParts,
    request: IncomingMessage,
    response: ServerResponse,
    needsContinue: boolean,
  ) {
    this.#parts = parts;
    this.#request = request;
    this.#response = response;
    this.#needsContinue = needsContinue;
    this.#bytesBefore = request.socket.bytesWritten;
    this.#remote = parts.proxies.clientOf(request);
    this.requestId = requestIdOf(request);
    response.setHeader('x-request-id', this.requestId);
    response.setHeader('x-content-type-options', 'nosniff');
    for (const [name, value] of Object.entries(parts.guard.headersFor(request.headers.origin)))
      response.setHeader(name, value);
    if (parts.isDraining()) response.shouldKeepAlive = false;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    response.once('close', () => this.close());
    const { pingInterval, stallTimeout } = parts.settings;
    this.#reply = new ServerReply(response, {
      pingMilliseconds: pingInterval,
      stallMilliseconds: stallTimeout,
      errorBody: (error) => this.#route?.errorBody?.(error, this) ?? error.envelope,
      linger: () => {
        if (!hasBody(request) || request.readableEnded) return undefined;
        return this.#needsContinue ? Promise.resolve() : linger(request);
      },
    });
  }

  /** Never throws. */
  async run(): Promise<void> {
    try {
      await this.#answer();
      if (!this.#reply.isBegun || (!this.#response.writableEnded && !this.#response.destroyed))
        throw new Error(`route ${this.#path} ended without an answer`);
    } catch (error) {
      await this.#fail(this.#controller.signal.aborted ? this.#controller.signal.reason : error);
    } finally {
      this.#reply.stop();
      // What is not sent yet must keep moving; Node ends connections on which nothing does.
      if (!this.#response.writableFinished)
        this.#response.socket?.setTimeout(this.#parts.settings.stallTimeout);
    }
  }

  /** Ends the work, e.g. because the server's time to drain is over. */
  abort(reason: HttpError): void {
    this.#controller.abort(reason);
  }

  async #answer(): Promise<void> {
    const { settings, guard, isDraining } = this.#parts;
    const request = this.#request;
    if (request.rawHeaders.length / 2 > settings.maxHeaders)
      throw new HttpError(431, { message: `The request has more than ${settings.maxHeaders} headers.` });
    const target = parseTarget(request.url ?? '/');
    this.#path = target.path;
    const host = target.host ?? request.headers.host;
    guard.checkHost(request, host);
    const found = this.#findRoute(target, () => guard.checkSite(request.headers, host));
    if (found === undefined) return;
    const { route, params } = found;
    this.#route = route;
    if (isDraining() && !drainingNames.has(route.path)) throw shuttingDown();
    this.#keyName = settings.keys.check(authorizationOf(request.headers), route.access);
    const isWork = route.isWork ?? route.body === 'json';
    const leave = isWork ? this.#parts.gate.enter(this.#keyName) : undefined;
    try {
      const body = await this.#body(route);
      await route.handler(
        {
          params,
          query: target.query,
          body,
          headers: request.headers,
          signal: this.#controller.signal,
          requestId: this.requestId,
          keyName: this.#keyName,
          isAdmin: settings.keys.isAdmin(authorizationOf(request.headers)),
          client: this.#keyName ?? this.#remote ?? '',
          note: (facts) => {
            this.#facts = facts;
          },
        },
        this.#reply,
      );
    } finally {
      leave?.();
    }
  }

  /** undefined: it was an OPTIONS, and is answered. @throws HttpError 401, 404, 405 */
  #findRoute(
    { segments }: RequestTarget,
    checkSite: () => void,
  ): { route: Route; params: Readonly<Record<string, string>> } | undefined {
    const { table, guard, settings } = this.#parts;
    const { headers, method = 'GET' } = this.#request;
    const match = table.find(method, segments);
    if (match.kind !== 'found' || match.route.isPublic !== true) checkSite();
    switch (match.kind) {
      case 'found':
        return match;
      case 'unknown':
        // Without a key nobody is told what is here and what is not.
        settings.keys.check(authorizationOf(headers), 'key');
        throw new HttpError(404, { message: `There is no route ${method} ${this.#path.slice(0, 200)}.` });
      case 'wrong-method': {
        const allow = match.allowed.join(', ');
        if (method === 'OPTIONS') {
          const preflight = guard.preflightHeaders(headers, match.allowed);
          if (preflight === undefined) settings.keys.check(authorizationOf(headers), match.access);
          this.#reply.text(204, '', { allow, ...preflight });
          return undefined;
        }
        settings.keys.check(authorizationOf(headers), match.access);
        throw new HttpError(405, {
          message: `${this.#path} does not take ${method}; it takes ${allow}.`,
          headers: { allow },
        });
      }
      default:
        throw new Error(`unknown match ${match satisfies never}`);
    }
  }

  async #body(route: Route): Promise<unknown> {
    const { settings } = this.#parts;
    if (route.body === 'none') {
      if (hasBody(this.#request))
        throw new HttpError(400, { message: `${route.method} ${route.path} takes no body.` });
      return undefined;
    }
    checkContentType(this.#request);
    if (
      Number(this.#request.headers['content-length'] ?? 0) <= settings.maxBodyBytes &&
      this.#needsContinue
    ) {
      this.#needsContinue = false;
      this.#response.writeContinue();
    }
    const bytes = await readBody(
      this.#request,
      { bytes: settings.maxBodyBytes, milliseconds: settings.bodyTimeout },
      this.#controller.signal,
    );
    return await parseJsonBody(bytes, {
      depth: settings.maxJsonDepth,
      parts: MAX_JSON_PARTS,
      values: MAX_JSON_VALUES,
    });
  }

  async #fail(error: unknown): Promise<void> {
    if (error instanceof ClientGoneError || this.#response.destroyed || this.#resolveClosed === undefined) {
      this.#response.destroy();
      return;
    }
    const answer = toHttpError(error);
    this.#reason = answer.message;
    if (answer.status === 500 && !(error instanceof HttpError))
      log(`request ${this.requestId}: ${error instanceof Error ? error.stack : String(error)}`);
    try {
      await this.#reply.fail(answer);
    } catch {
      // The client went away while it was told.
      this.#response.destroy();
    }
  }

  /** Bytes of the answer are on their way. */
  get isBegun(): boolean {
    return this.#response.headersSent;
  }

  /** The connection is closed, or the answer sent. */
  close(): void {
    if (this.#resolveClosed === undefined) return;
    this.#resolveClosed();
    this.#resolveClosed = undefined;
    const isComplete = this.#response.writableFinished;
    if (!isComplete) this.#controller.abort(new ClientGoneError());
    this.#reply.stop();
    const { settings } = this.#parts;
    const status = isComplete ? this.#response.statusCode : 499;
    const method = this.#request.method ?? 'GET';
    const seconds = (performance.now() - this.#started) / 1000;
    settings.observer?.httpRequest({
      handler: this.#route?.name ?? this.#route?.path ?? 'none',
      method,
      status,
      seconds,
    });
    settings.accessLog?.(
      accessLine({
        requestId: this.requestId,
        remote: this.#remote,
        method,
        path: this.#path,
        status,
        seconds,
        bytes: this.#request.socket.bytesWritten - this.#bytesBefore,
        keyName: this.#keyName,
        reason: this.#reason,
        facts: this.#facts?.(),
      }),
    );
  }
}

export function shuttingDown(): HttpError {
  return new HttpError(503, {
    message: 'The server is shutting down.',
    type: 'unavailable_error',
    retryAfter: 10,
  });
}

/** Anthropic's clients send the key in a header of its own. */
function authorizationOf({ authorization, 'x-api-key': key }: IncomingHttpHeaders): string | undefined {
  if (authorization !== undefined || typeof key !== 'string') return authorization;
  return `Bearer ${key}`;
}

/** The client's own, where it is one that a log can hold. */
function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:/+=-]{1,128}$/.test(given) ? given : `req-${randomUUID()}`;
}
