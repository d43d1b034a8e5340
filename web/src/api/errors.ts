/** What can go wrong between the page and the server, in the kinds that people are told about. */
import { asText, field } from './json.js';

export type FailureKind =
  | 'unauthorized'
  | 'forbidden'
  | 'not-found'
  | 'too-long'
  | 'rejected'
  | 'busy'
  | 'loading'
  | 'server-fault'
  /** No answer at all. */
  | 'unreachable'
  /** It began and broke off. */
  | 'connection-lost';

export interface Failure {
  readonly kind: FailureKind;
  /** The server's own words; '' where it said nothing. */
  readonly detail: string;
}

export class ServerError extends Error {
  override readonly name = 'ServerError';
  readonly failure: Failure;
  /** Seconds; undefined where asking again makes no sense. */
  readonly retryAfter: number | undefined;

  constructor(failure: Failure, retryAfter?: number) {
    super(`${failure.kind}: ${failure.detail}`);
    this.failure = failure;
    this.retryAfter = retryAfter;
  }
}

export function failureOf(error: unknown): Failure {
  if (error instanceof ServerError) return error.failure;
  return { kind: 'connection-lost', detail: error instanceof Error ? error.message : String(error) };
}

/** @param body the error envelope, {"error":{"message","type","param","code"}}, or anything else */
export function serverError(status: number, body: unknown, retryAfter: string | null): ServerError {
  const detail = asText(field(body, 'error', 'message')) ?? asText(field(body, 'message')) ?? '';
  const code = asText(field(body, 'error', 'code'));
  const kind = code === 'context_length_exceeded' ? 'too-long' : kindOfStatus(status);
  const mayRetry = kind === 'busy' || kind === 'loading';
  return new ServerError(
    { kind, detail: detail || `HTTP ${status}` },
    mayRetry ? seconds(retryAfter) : undefined,
  );
}

function kindOfStatus(status: number): FailureKind {
  if (status === 401) return 'unauthorized';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'not-found';
  if (status === 429) return 'busy';
  if (status === 503) return 'loading';
  if (status >= 500) return 'server-fault';
  return 'rejected';
}

const DEFAULT_WAIT = 2;
const LONGEST_WAIT = 60;

/** Retry-After is a number of seconds or a date (RFC 9110, section 10.2.3). */
function seconds(header: string | null): number {
  if (header === null) return DEFAULT_WAIT;
  const value = /^\d+$/.test(header.trim()) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(value) ? Math.min(LONGEST_WAIT, Math.max(0, value)) : DEFAULT_WAIT;
}
