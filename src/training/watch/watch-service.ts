/** The HTTP side of watched runs: the page, its data, Prometheus. Beside training it runs in a thread (watch-thread.ts). */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIPv6 } from 'node:net';
import { type Asset, pageAssets } from './page/assets.js';
import { PROMETHEUS_CONTENT_TYPE, type PrometheusMetrics } from './prometheus.js';
import type { WatchedRun } from './watched-run.js';

const DEFAULT_POINTS = 1_500;
const MAX_POINTS = 5_000;
const MAX_CONNECTIONS = 128;

const LOOPBACK = new Set(['localhost', '127.0.0.1', '::1']);

export interface WatchServiceOptions {
  readonly host: string;
  /** The first is what is shown where a request names none. */
  readonly runs: readonly [WatchedRun, ...WatchedRun[]];
  /** Of a run that goes on in this process. */
  readonly metrics?: PrometheusMetrics;
}

export class WatchService {
  readonly #host: string;
  readonly #server: Server;
  readonly #runs: readonly [WatchedRun, ...WatchedRun[]];
  readonly #metrics: PrometheusMetrics | undefined;
  readonly #assets: ReadonlyMap<string, Asset>;

  constructor({ host, runs, metrics }: WatchServiceOptions) {
    this.#host = host;
    this.#runs = runs;
    this.#metrics = metrics;
    this.#assets = pageAssets();
    this.#server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, (request, response) =>
      this.#answer(request, response),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** @returns the port, chosen by the system for 0 */
  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, this.#host, () => {
        this.#server.off('error', reject);
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  async close(): Promise<void> {
    await this.#metrics?.close();
    for (const run of this.#runs) run.close();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      // What was written to the readers is on its way; a reader that does not take it must not hold the run.
      setTimeout(() => this.#server.closeAllConnections(), 200).unref();
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method, url = '/', headers } = request;
    if (!this.#isKnownHost(headers.host)) refuse(response, 403, 'unknown host');
    else if (method === 'GET' || method === 'HEAD') this.#answerPath(url, request, response);
    else {
      response.setHeader('allow', 'GET, HEAD');
      refuse(response, 405, 'only GET and HEAD are known here');
    }
  }

  #answerPath(url: string, request: IncomingMessage, response: ServerResponse): void {
    const mark = url.indexOf('?');
    const path = mark < 0 ? url : url.slice(0, mark);
    const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
    const asset = this.#assets.get(path);
    if (asset !== undefined) answer(response, asset.type, asset.content);
    else if (path === '/health') answer(response, 'application/json', JSON.stringify({ status: 'ok' }));
    else if (path === '/metrics' && this.#metrics !== undefined)
      answer(response, PROMETHEUS_CONTENT_TYPE, this.#metrics.text());
    else if (path.startsWith('/api/')) this.#answerApi(path, request, response, query);
    else refuse(response, 404, 'no such page');
  }

  #answerApi(path: string, request: IncomingMessage, response: ServerResponse, query: URLSearchParams): void {
    const wanted = query.get('run');
    const run = wanted === null ? this.#runs[0] : this.#runs.find(({ state }) => state.id === wanted);
    if (path === '/api/runs') answer(response, 'application/json', JSON.stringify(this.#runs.map(describe)));
    else if (run === undefined) refuse(response, 404, 'no such run');
    else if (path === '/api/steps') answerSteps(run, response, query);
    else if (path === '/api/events') answerEvents(run, request, response, query);
    else refuse(response, 404, 'no such page');
  }

  /** A page elsewhere that gives its own name this machine's address (DNS rebinding) must not read the run. */
  #isKnownHost(header: string | undefined): boolean {
    if (!LOOPBACK.has(this.#host)) return true;
    const name = /^(\[[\da-f:.]+\]|[^:]*)(?::\d{1,5})?$/i.exec(header ?? '')?.[1]?.toLowerCase() ?? '';
    return LOOPBACK.has(name.startsWith('[') ? name.slice(1, -1) : name);
  }
}

function describe({ state, setup }: WatchedRun): object {
  return { ...state, setup };
}

function answerEvents(
  { events }: WatchedRun,
  request: IncomingMessage,
  response: ServerResponse,
  query: URLSearchParams,
): void {
  if (request.method === 'HEAD') answer(response, 'text/event-stream; charset=utf-8', '');
  else if (!events.add(response, lastEventId(request) ?? query.get('after') ?? undefined))
    refuse(response, 503, 'too many watchers');
}

function answerSteps(run: WatchedRun, response: ServerResponse, query: URLSearchParams): void {
  const from = wholeNumber(query.get('from'), 0, Number.MAX_SAFE_INTEGER);
  const points = wholeNumber(query.get('points'), DEFAULT_POINTS, MAX_POINTS);
  if (from === undefined || points === undefined) {
    refuse(response, 400, `from and points are whole numbers, points at most ${MAX_POINTS}`);
    return;
  }
  answer(response, 'application/json', JSON.stringify(run.content(from, points)));
}

/** The address for people. */
export function watchAddress(host: string, port: number): string {
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}/`;
}

function lastEventId({ headers }: IncomingMessage): string | undefined {
  const id = headers['last-event-id'];
  return typeof id === 'string' && id !== '' ? id : undefined;
}

/** undefined where it is none, or too large. */
function wholeNumber(text: string | null, otherwise: number, largest: number): number | undefined {
  if (text === null) return otherwise;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return value <= largest ? value : undefined;
}

function answer(response: ServerResponse, type: string, content: string): void {
  response.writeHead(200, {
    'content-type': type,
    'content-length': Buffer.byteLength(content),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'content-security-policy':
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  });
  response.end(content);
}

function refuse(response: ServerResponse, status: number, reason: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' });
  response.end(`${reason}\n`);
}
