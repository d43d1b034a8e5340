/** One JSON line for every request; no key, no query, no body. */

export interface AccessRecord {
  readonly requestId: string;
  readonly remote: string | undefined;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** 499: the client went away before the answer was complete. */
  readonly status: number;
  readonly seconds: number;
  /** Of the connection, head included. */
  readonly bytes: number;
  readonly keyName: string | undefined;
}

const MAX_PATH = 200;

export function accessLine(record: AccessRecord): string {
  return JSON.stringify({
    time: new Date().toISOString(),
    id: record.requestId,
    remote: record.remote,
    method: record.method,
    path: record.path.slice(0, MAX_PATH),
    status: record.status,
    ms: Math.round(record.seconds * 1e6) / 1e3,
    bytes: record.bytes,
    key: record.keyName,
  });
}
