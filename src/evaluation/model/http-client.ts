/** One address of an OpenAI-compatible API: requests that are repeated where that can help, and failures that say what came. */

import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../errors/index.js';
import { fieldOf } from '../../json/index.js';
import { RateLimit } from './rate-limit.js';

export interface HttpClientOptions {
  /** "http://localhost:8000" or with its path, e.g. ".../v1". */
  readonly address: string;
  readonly apiKey?: string | undefined;
  /** For one answer. Default 120. */
  readonly timeoutSeconds?: number | undefined;
  /** Times that a request is sent at most. Default 5. */
  readonly attempts?: number | undefined;
  /** Default: as fast as it goes. */
  readonly rate?: RateLimit | undefined;
}

/** Why there is no answer, by kind, for counting. */
export class HttpFailure extends Error {
  readonly reason: string;
  /** Undefined where none came. */
  readonly status: number | undefined;
  /** Another try may go better. */
  readonly isPassing: boolean;
  readonly retryAfterSeconds: number | undefined;

  constructor(
    reason: string,
    message: string,
    {
      status,
      isPassing = false,
      retryAfterSeconds,
    }: { status?: number; isPassing?: boolean; retryAfterSeconds?: number } = {},
  ) {
    super(message);
    this.reason = reason;
    this.status = status;
    this.isPassing = isPassing;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

const LONGEST_WAIT_SECONDS = 60;

export class HttpClient {
  readonly #base: string;
  readonly #apiKey: string | undefined;
  readonly #timeout: number;
  readonly #attempts: number;
  readonly #rate: RateLimit;

  constructor({
    address,
    apiKey,
    timeoutSeconds = 120,
    attempts = 5,
    rate = new RateLimit(undefined),
  }: HttpClientOptions) {
    const bare = address.replace(/\/+$/, '').replace(/\/(chat\/)?completions$/, '');
    this.#base = new URL(bare).pathname === '/' ? `${bare}/v1` : bare;
    this.#apiKey = apiKey;
    this.#timeout = timeoutSeconds * 1000;
    this.#attempts = attempts;
    this.#rate = rate;
  }

  get base(): string {
    return this.#base;
  }

  get(path: string): Promise<unknown> {
    return this.#request(path, undefined);
  }

  /** @throws HttpFailure when the last attempt failed */
  post(path: string, body: object): Promise<unknown> {
    return this.#request(path, JSON.stringify(body));
  }

  async #request(path: string, body: string | undefined): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#rate.take();
        return await this.#once(path, body);
      } catch (error) {
        if (!(error instanceof HttpFailure) || !error.isPassing || attempt >= this.#attempts) throw error;
        const wait = error.retryAfterSeconds ?? 0.25 * 2 ** attempt;
        const seconds = Math.min(wait, LONGEST_WAIT_SECONDS);
        // What is too much for one is too much for the account: the others wait, too.
        if (error.status === 429) this.#rate.pause(seconds);
        await sleep(seconds * 1000);
      }
    }
  }

  async #once(path: string, body: string | undefined): Promise<unknown> {
    const url = `${this.#base}${path}`;
    let status: number;
    let text: string;
    let headers: Headers;
    try {
      const response = await fetch(url, {
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(this.#apiKey !== undefined && { authorization: `Bearer ${this.#apiKey}` }),
        },
        ...(body !== undefined && { body }),
        signal: AbortSignal.timeout(this.#timeout),
      });
      ({ status, headers } = response);
      text = await response.text();
    } catch (error) {
      const isTimeout = error instanceof DOMException && error.name === 'TimeoutError';
      const problem = isTimeout ? `no answer within ${this.#timeout / 1000} s` : messageOf(causeOf(error));
      throw new HttpFailure(isTimeout ? 'timed out' : 'no connection', `${url}: ${problem}`, {
        isPassing: true,
      });
    }
    if (status === 429)
      throw new HttpFailure('rate limit', `${url}: 429 too many requests`, {
        status,
        isPassing: true,
        ...retryAfter(headers.get('retry-after')),
      });
    if (status >= 500)
      throw new HttpFailure(`status ${status}`, `${url}: ${status} ${shown(text)}`, {
        status,
        isPassing: true,
        ...retryAfter(headers.get('retry-after')),
      });
    if (status < 200 || status >= 300)
      throw new HttpFailure(`status ${status}`, `${url}: ${status} ${shown(errorText(text))}`, { status });
    return parsed(url, text);
  }
}

function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error;
}

function retryAfter(header: string | null): { retryAfterSeconds?: number } {
  if (header === null) return {};
  const seconds = /^\d+(\.\d+)?$/.test(header.trim())
    ? Number(header)
    : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? { retryAfterSeconds: Math.max(0, seconds) } : {};
}

function parsed(url: string, text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    const kind = /^\s*</.test(text) ? 'a page (HTML)' : 'no JSON';
    throw new HttpFailure('no JSON', `${url}: answered with ${kind}: ${shown(text)}`, { isPassing: true });
  }
}

function errorText(text: string): string {
  try {
    const error = fieldOf(JSON.parse(text), 'error');
    const message = fieldOf(error, 'message');
    return typeof message === 'string' ? message : text;
  } catch {
    return text;
  }
}

function shown(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}
