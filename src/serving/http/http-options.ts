/** Settings of the HTTP server and their defaults. */
import type { ApiKeys } from './api-keys.js';

/** Times are in milliseconds. */
export interface HttpServerOptions {
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Default 8000; 0: any that is free. */
  readonly port?: number | undefined;
  /** Default: none; the server then listens on loopback addresses only. */
  readonly keys?: ApiKeys | undefined;
  /** Listen on other addresses without keys. */
  readonly allowOpen?: boolean | undefined;
  /** Origins whose pages may call from a browser (CORS). Default: our own page alone. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Further Host names for a server without keys on a loopback address. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Addresses or networks (`10.0.0.0/8`) of proxies whose X-Forwarded-For is believed, for the log. Default none. */
  readonly trustedProxies?: readonly string[] | undefined;
  /** Default 4 MiB. */
  readonly maxBodyBytes?: number | undefined;
  /** Levels of arrays and objects in a body. Default 64. */
  readonly maxJsonDepth?: number | undefined;
  /** Header lines of a request. Default 256. */
  readonly maxHeaders?: number | undefined;
  /** From the connection to the end of the head. Default 10 s. */
  readonly headerTimeout?: number | undefined;
  /** From the head to the end of the body. Default 30 s. */
  readonly bodyTimeout?: number | undefined;
  /** A connection without a request is closed after. Default 75 s. */
  readonly keepAliveTimeout?: number | undefined;
  /** Further ones are closed at once. Default 1024. */
  readonly maxConnections?: number | undefined;
  /** Requests that one key may have under way. Default 0: no limit. */
  readonly maxConcurrentPerKey?: number | undefined;
  /** Silence in an event stream before a ping. Default 15 s. */
  readonly pingInterval?: number | undefined;
  /** A client that takes nothing of a stream for so long is cut off. Default 60 s. */
  readonly stallTimeout?: number | undefined;
  /** Takes one JSON line a request. Default: stderr; null: nothing (--quiet). */
  readonly accessLog?: ((line: string) => void) | null | undefined;
  readonly observer?: HttpObserver | undefined;
}

/** With every default in its place. */
export type Settings = {
  readonly [Name in Exclude<keyof HttpServerOptions, 'observer'>]-?: Exclude<
    HttpServerOptions[Name],
    undefined
  >;
} & Pick<HttpServerOptions, 'observer'>;

/** Told of every request when it is over. */
export interface HttpObserver {
  httpRequest(record: HttpRequestRecord): void;
}

export interface HttpRequestRecord {
  /** The route's name; `none` where there is none. */
  readonly handler: string;
  readonly method: string;
  readonly status: number;
  readonly seconds: number;
}
