/**
 * What a route is. The HTTP core (create-http-server.ts) finds the route, checks keys, reads and parses the body, counts,
 * logs and turns what is thrown into answers; a route only answers.
 */

import type { IncomingHttpHeaders } from 'node:http';
import type { z } from 'zod';
import type { WorkFacts } from './access-log.js';
import type { HttpError } from './http-error.js';

export type Method = 'GET' | 'POST' | 'DELETE';

/** `open`: everybody; `key`: who has a key (or everybody where the server has none); `admin`: who has an admin key. */
export type Access = 'open' | 'key' | 'admin';

export interface Route {
  /** GET answers HEAD as well. */
  readonly method: Method;
  /**
   * Segments of letters, `:name` (one whole segment, decoded), or `*name` as the last one (all that follows, decoded,
   * with its slashes): `/v1/models/:id`, `/v1/models/*id`. A text comes before a name, a name before a star.
   */
  readonly path: string;
  /** The `handler` label of the HTTP metrics; default: `path`. */
  readonly name?: string | undefined;
  readonly access: Access;
  /** The same for everybody and for every page: neither Host nor Origin matter. Default false. */
  readonly isPublic?: boolean | undefined;
  /** `json`: the body is parsed, its content type checked (415), its absence a 400. `none`: any body is refused. */
  readonly body: 'json' | 'none';
  /**
   * Generates: counts towards a key's concurrency, and is refused (503) while the server drains. Default: true for
   * `body: 'json'`.
   */
  readonly isWork?: boolean | undefined;
  /** How this route says what went wrong, where not in OpenAI's envelope. */
  readonly errorBody?: ((error: HttpError, request: { readonly requestId: string }) => unknown) | undefined;
  /** For /openapi.json. Every route should have it. */
  readonly docs?: RouteDocs | undefined;
  /**
   * Answers once, by `reply`. May throw: HttpError, InputError (400), EngineUnavailableError (503), QueueFullError (429);
   * anything else is a 500. Thrown after a stream began: `data: {"error": …}`, `data: [DONE]`, end.
   */
  readonly handler: (request: RouteRequest, reply: Reply) => Promise<void> | void;
}

export interface RouteDocs {
  readonly summary: string;
  readonly description?: string | undefined;
  readonly tag: string;
  /** The body, for `body: 'json'`. */
  readonly request?: z.ZodType | undefined;
  /** A body for the example of the page, and the seed of the fuzz test: it should be answered with 200. */
  readonly example?: unknown;
  /** The 200 answer. Default: any JSON. */
  readonly response?: z.ZodType | undefined;
  /** Of the 200 answer beside (or in place of) JSON. */
  readonly contentType?: string | undefined;
  /** The route can answer as an event stream as well. */
  readonly isStream?: boolean | undefined;
  /** The body of errors, where the route has an `errorBody`. */
  readonly error?: z.ZodType | undefined;
  /** Query parameters and what they mean. */
  readonly query?: Readonly<Record<string, string>> | undefined;
  /** Further statuses that the route answers with. */
  readonly errors?: readonly number[] | undefined;
}

export interface RouteRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Parsed JSON with at most 64 levels; undefined for `body: 'none'`. Nothing in it is checked. */
  readonly body: unknown;
  readonly headers: IncomingHttpHeaders;
  /** Aborted when the client is gone, or when draining ran out of time. Hand it to the engine. */
  readonly signal: AbortSignal;
  /** The client's X-Request-Id, or one of ours; goes back as X-Request-Id. */
  readonly requestId: string;
  /** Which key was given; undefined where the server has none. Never the key itself. */
  readonly keyName: string | undefined;
  /** The key given is an admin's. */
  readonly isAdmin: boolean;
  /** Who asks, as far as can be told: the name of the key, else the address. For taking turns, not for trust. */
  readonly client: string;
  /** For the log, which asks when the request is over. */
  readonly note: (facts: () => WorkFacts) => void;
}

export type ReplyHeaders = Readonly<Record<string, string>>;

export interface EventStreamOptions {
  /** The last event, sent by `end` (and after an error). null: none. Default `[DONE]`. */
  readonly terminator?: string | null | undefined;
  /** The name of the event that an error after the head becomes. Default: it has none. */
  readonly errorEvent?: string | undefined;
  readonly headers?: ReplyHeaders | undefined;
}

/** One of them, once. */
export interface Reply {
  json(status: number, value: unknown, headers?: ReplyHeaders): void;
  /** Content type: `text/plain; charset=utf-8` unless the headers have `content-type`. */
  text(status: number, text: string | Buffer, headers?: ReplyHeaders): void;
  /**
   * 200 and Server-Sent Events. The head goes out with the first event, comment or ping: what is thrown before still has
   * a status of its own. While nothing is sent for a while, `: ping` is.
   */
  eventStream(options?: EventStreamOptions): EventStream;
  /** 200 and text as it comes, in chunks; the head goes out with the first. An error after that cuts the answer off. */
  textStream(headers?: ReplyHeaders): TextStream;
}

/** Each waits until the client has room for more. @throws ClientGoneError */
export interface EventStream {
  /** `data: <one line>\n\n`. A string is sent as it is, anything else as JSON. @param event a line `event: …` before it */
  send(value: unknown, event?: string): Promise<void>;
  comment(text: string): Promise<void>;
  /** Sends the terminator and ends. */
  end(): Promise<void>;
}

/** As EventStream. */
export interface TextStream {
  write(text: string): Promise<void>;
  end(): Promise<void>;
}
