/** Requests to a hub: its token goes to it alone, redirects are followed by hand, what fails for a while is asked again. */
import { setTimeout } from 'node:timers/promises';
import { InputError, messageOf } from '../errors/index.js';
import { log } from '../log/index.js';

export interface HubClientOptions {
  /** https://huggingface.co, or a mirror. */
  readonly endpoint: string;
  /** Default: HF_TOKEN of the environment; none is sent where there is none. */
  readonly token?: string | undefined;
  /** Seconds that a request may say nothing. Default 60. */
  readonly patience?: number;
  /** Milliseconds before the first repetition, doubled for each further. Default 500. */
  readonly backOff?: number;
}

export interface HubRequest {
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: Readonly<Record<string, string>>;
  /** Does the answer of another host count? Default true; else the redirect to it does. */
  readonly leavesHost?: boolean;
}

/** Repetitions of a request that fails, one after the other. */
const REPETITIONS = 4;
const REDIRECTS = 5;
/** The longest wait that a server may ask for, seconds. */
const LONGEST_WAIT = 60;

/** A request that may go well later: a cut connection, a server that is busy. */
export class PassingError extends Error {
  override readonly name = 'PassingError';
  /** Seconds to wait, if the server says so. */
  readonly wait: number | undefined;

  constructor(message: string, wait?: number) {
    super(message);
    this.wait = wait;
  }
}

export class HubClient {
  readonly endpoint: string;
  readonly #origin: string;
  readonly #token: string | undefined;
  readonly #patience: number;
  readonly #backOff: number;

  /** @throws InputError for an address that is none */
  constructor({ endpoint, token = process.env.HF_TOKEN, patience = 60, backOff = 500 }: HubClientOptions) {
    const url = addressOf(endpoint);
    this.endpoint = url.href.replace(/\/+$/, '');
    this.#origin = url.origin;
    this.#token = token?.trim() || undefined;
    if (this.#token !== undefined && !/^[\x21-\x7e]+$/.test(this.#token))
      throw new InputError('HF_TOKEN in the environment holds characters that no token has.');
    if (this.#token !== undefined && url.protocol === 'http:' && !isLoopback(url.hostname))
      log(`note: HF_TOKEN goes to ${this.#origin} unencrypted`);
    this.#patience = patience;
    this.#backOff = backOff;
  }

  /** Runs what may fail for a while until it goes well. @throws InputError once it has failed too often */
  async patiently<Result>(
    what: string,
    attempt: () => Promise<Result>,
    hasMoved = (): boolean => false,
  ): Promise<Result> {
    for (let failures = 1; ; failures++)
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof PassingError)) throw error;
        if (hasMoved()) failures = 1;
        if (failures > REPETITIONS)
          throw new InputError(
            `${what}: ${error.message}. What was fetched is kept; the same command goes on from there.`,
          );
        const wait = error.wait === undefined ? this.#backOff * 2 ** (failures - 1) : error.wait * 1000;
        log(`${what}: ${error.message}; once more in ${(wait / 1000).toFixed(1)} s`);
        await setTimeout(wait);
      }
  }

  /** @param path below the endpoint @throws InputError for what will not change, PassingError for what may */
  async request(
    path: string,
    { method = 'GET', headers = {}, leavesHost = true }: HubRequest = {},
  ): Promise<HubResponse> {
    let url = new URL(`${this.endpoint}${path}`);
    for (let hops = 0; hops <= REDIRECTS; hops++) {
      const isOwn = url.origin === this.#origin;
      const sent = {
        'user-agent': 'xinghe',
        // Lengths and hashes are those of the file, not of a packed form of it.
        'accept-encoding': 'identity',
        ...headers,
        ...(isOwn && this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
      };
      const response = await this.#send(url, method, sent);
      const target = response.headers.get('location');
      if (response.status < 300 || response.status >= 400 || target === null)
        return this.#checked(response, path);
      const next = redirected(url, target);
      if (!leavesHost && next.origin !== this.#origin) return response;
      response.cancel();
      url = next;
    }
    throw new InputError(`${this.endpoint}${path}: more than ${REDIRECTS} redirects.`);
  }

  async #send(url: URL, method: string, headers: Record<string, string>): Promise<HubResponse> {
    const watch = new Watchdog(this.#patience);
    try {
      const response = await fetch(url, { method, headers, redirect: 'manual', signal: watch.signal });
      watch.tick();
      return new HubResponse(response, watch);
    } catch (error) {
      watch.stop();
      throw new PassingError(`${url.origin} cannot be reached (${reasonOf(error)})`);
    }
  }

  #checked(response: HubResponse, path: string): HubResponse {
    const { status } = response;
    if (status < 300) return response;
    response.cancel();
    const place = `${this.endpoint}${path}`;
    const said = response.headers.get('x-error-message');
    const because = said === null ? '' : ` (${said.slice(0, 200)})`;
    if (status === 401 || status === 403)
      throw new InputError(
        this.#token === undefined
          ? `${place}: answers ${status}${because}: the repository is private or gated, or is not there; set HF_TOKEN in the environment.`
          : `${place}: answers ${status}${because}: the token in HF_TOKEN may not read it, or it is not there.`,
      );
    if (status === 404)
      throw new InputError(`${place}: answers 404${because}: there is no such repository, revision or file.`);
    if (status === 429 || status === 408 || status >= 500)
      throw new PassingError(
        `${place} answers ${status}${because}`,
        waitOf(response.headers.get('retry-after')),
      );
    throw new InputError(`${place}: answers ${status}${because}.`);
  }
}

/** An answer whose body may be read in pieces; a body that says nothing for too long ends it. */
export class HubResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly #response: Response;
  readonly #watch: Watchdog;

  constructor(response: Response, watch: Watchdog) {
    this.status = response.status;
    this.headers = response.headers;
    this.#response = response;
    this.#watch = watch;
  }

  /** @throws PassingError where the connection breaks off */
  async *pieces(): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of this.#response.body ?? []) {
        this.#watch.tick();
        yield piece;
      }
    } catch (error) {
      throw new PassingError(`the connection broke off (${reasonOf(error)})`);
    } finally {
      this.#watch.stop();
    }
  }

  /** @param limit bytes at most */
  async text(limit: number): Promise<string> {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of this.pieces()) {
      bytes += piece.length;
      if (bytes > limit) {
        this.cancel();
        throw new InputError(`${this.#response.url}: the answer is longer than ${limit} bytes.`);
      }
      pieces.push(piece);
    }
    return Buffer.concat(pieces).toString('utf8');
  }

  cancel(): void {
    this.#watch.stop();
    this.#response.body?.cancel().catch(() => undefined);
  }
}

/** Ends a request that says nothing. */
class Watchdog {
  readonly #controller = new AbortController();
  readonly #seconds: number;
  #timer: NodeJS.Timeout;

  constructor(seconds: number) {
    this.#seconds = seconds;
    this.#timer = this.#arm();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  tick(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#arm();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #arm(): NodeJS.Timeout {
    const end = (): void => this.#controller.abort(new Error(`no answer for ${this.#seconds} s`));
    return globalThis.setTimeout(end, this.#seconds * 1000).unref();
  }
}

function addressOf(endpoint: string): URL {
  let url: URL;
  try {
    url = new URL(endpoint);
  } catch {
    throw new InputError(
      `--hub ${JSON.stringify(endpoint)} is no address; give one such as https://huggingface.co.`,
    );
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new InputError(
      `--hub ${endpoint}: ${url.protocol} is not understood; give an address of http: or https:.`,
    );
  if (url.username !== '' || url.password !== '')
    throw new InputError(
      '--hub: a name or password does not belong in the address; the token comes from HF_TOKEN.',
    );
  if (url.search !== '' || url.hash !== '')
    throw new InputError(`--hub ${url.origin}${url.pathname}: give the address without ? and #.`);
  return url;
}

function redirected(from: URL, target: string): URL {
  let url: URL;
  try {
    url = new URL(target, from);
  } catch {
    throw new InputError(`${from.origin}: redirects to ${JSON.stringify(target)}, which is no address.`);
  }
  if (url.protocol !== 'https:' && (url.protocol !== 'http:' || from.protocol === 'https:'))
    throw new InputError(
      `${from.origin}: redirects to ${url.protocol}//${url.host}, which is less safe; refused.`,
    );
  return url;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127\./.test(host);
}

/** Seconds, or a date, as far as it is not too long. */
function waitOf(text: string | null): number | undefined {
  if (text === null) return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.min(LONGEST_WAIT, Math.max(0, seconds)) : undefined;
}

/** fetch says "fetch failed" and hides why. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && cause.message !== '' ? cause.message : messageOf(error);
}
