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
  /** What was answered to a request that failed. */
  readonly reason?: string | undefined;
  readonly facts?: WorkFacts | undefined;
}

/** What a route that generates knows of its work, so far. */
export interface WorkFacts {
  readonly model: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** From the beginning of the work to the first token; undefined before. */
  readonly firstTokenSeconds?: number | undefined;
}

const MAX_PATH = 200;
/** Messages show values of the caller's. */
const MAX_REASON = 500;

export function accessLine(record: AccessRecord): string {
  return JSON.stringify({
    time: new Date().toISOString(),
    id: record.requestId,
    remote: record.remote,
    method: record.method,
    path: record.path.slice(0, MAX_PATH),
    status: record.status,
    ms: milliseconds(record.seconds),
    bytes: record.bytes,
    key: record.keyName,
    model: record.facts?.model.slice(0, MAX_PATH),
    prompt_tokens: record.facts?.promptTokens,
    completion_tokens: record.facts?.completionTokens,
    first_token_ms: milliseconds(record.facts?.firstTokenSeconds),
    reason: record.reason?.slice(0, MAX_REASON),
  });
}

function milliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.round(seconds * 1e6) / 1e3;
}
