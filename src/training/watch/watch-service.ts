/** The HTTP side of a watched run: the page, its data, Prometheus. Runs in a thread of its own (watch-thread.ts). */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIPv6 } from 'node:net';
import { EventStream } from './event-stream.js';
import { evaluationLine, stepLine } from './metrics-file.js';
import type { EvaluationRecord, RunObserver, SampleRecord, StepRecord } from './observer.js';
import { type Asset, pageAssets } from './page/assets.js';
import { PROMETHEUS_CONTENT_TYPE, prometheus } from './prometheus.js';
import { remainingSeconds } from './remaining-seconds.js';
import { RunHistory } from './run-history.js';

/** Steps that end within so many milliseconds go out together. */
const FLUSH_MILLISECONDS = 100;
const DEFAULT_POINTS = 1_500;
const MAX_POINTS = 5_000;
/** The last ones are kept. */
const MAX_SAMPLES = 100;
const MAX_EVALUATIONS = 10_000;
const MAX_CONNECTIONS = 128;

const LOOPBACK = new Set(['localhost', '127.0.0.1', '::1']);

interface Pending {
  steps: Record<string, unknown>[];
  evaluations: Record<string, unknown>[];
  samples: SampleRecord[];
}

interface RunState {
  readonly label: string;
  total_steps: number | undefined;
  remaining_seconds: number | undefined;
  ended: boolean;
}

export class WatchService implements RunObserver {
  readonly #host: string;
  readonly #server: Server;
  readonly #events = new EventStream();
  readonly #history = new RunHistory();
  readonly #metrics = prometheus();
  readonly #remaining = remainingSeconds();
  readonly #evaluations: Record<string, unknown>[] = [];
  readonly #samples: SampleRecord[] = [];
  readonly #assets: ReadonlyMap<string, Asset>;
  readonly #run: RunState;
  #pending: Pending = emptyPending();
  #flushTimer: NodeJS.Timeout | undefined;

  constructor(host: string, label: string) {
    this.#host = host;
    this.#run = { label, total_steps: undefined, remaining_seconds: undefined, ended: false };
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

  step(record: StepRecord): void {
    this.#metrics.step(record);
    this.#history.append(record);
    this.#run.total_steps = record.totalSteps;
    this.#run.remaining_seconds = this.#remaining(record);
    this.#pending.steps.push(stepLine(record));
    this.#flushSoon();
  }

  evaluation(record: EvaluationRecord): void {
    this.#metrics.evaluation?.(record);
    const line = evaluationLine(record);
    this.#evaluations.push(line);
    if (this.#evaluations.length > MAX_EVALUATIONS) this.#evaluations.shift();
    this.#pending.evaluations.push(line);
    this.#flushSoon();
  }

  sample(record: SampleRecord): void {
    this.#samples.push(record);
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
    this.#pending.samples.push(record);
    this.#flushSoon();
  }

  async close(): Promise<void> {
    await this.#metrics.close();
    this.#run.ended = true;
    this.#flush();
    this.#events.close();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      // What was written to the readers is on its way; a reader that does not take it must not hold the run.
      setTimeout(() => this.#server.closeAllConnections(), 200).unref();
    });
  }

  #flushSoon(): void {
    this.#flushTimer ??= setTimeout(() => this.#flush(), FLUSH_MILLISECONDS);
  }

  #flush(): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    this.#events.send({ run: this.#run, ...this.#pending });
    this.#pending = emptyPending();
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
    else if (path === '/metrics') answer(response, PROMETHEUS_CONTENT_TYPE, this.#metrics.text());
    else if (path === '/api/steps') this.#answerSteps(response, query);
    else if (path === '/api/events') this.#answerEvents(request, response, query);
    else refuse(response, 404, 'no such page');
  }

  #answerEvents(request: IncomingMessage, response: ServerResponse, query: URLSearchParams): void {
    if (request.method === 'HEAD') answer(response, 'text/event-stream; charset=utf-8', '');
    else if (!this.#events.add(response, lastEventId(request) ?? query.get('after') ?? undefined))
      refuse(response, 503, 'too many watchers');
  }

  #answerSteps(response: ServerResponse, query: URLSearchParams): void {
    const from = wholeNumber(query.get('from'), 0, Number.MAX_SAFE_INTEGER);
    const points = wholeNumber(query.get('points'), DEFAULT_POINTS, MAX_POINTS);
    if (from === undefined || points === undefined) {
      refuse(response, 400, `from and points are whole numbers, points at most ${MAX_POINTS}`);
      return;
    }
    const content = {
      cursor: this.#events.cursor,
      run: this.#run,
      ...this.#history.points(from, points),
      evaluations: this.#evaluations.filter(({ step }) => Number(step) > from),
      samples: this.#samples.filter(({ step }) => step > from),
    };
    answer(response, 'application/json', JSON.stringify(content));
  }

  /** A page elsewhere that gives its own name this machine's address (DNS rebinding) must not read the run. */
  #isKnownHost(header: string | undefined): boolean {
    if (!LOOPBACK.has(this.#host)) return true;
    const name = /^(\[[\da-f:.]+\]|[^:]*)(?::\d{1,5})?$/i.exec(header ?? '')?.[1]?.toLowerCase() ?? '';
    return LOOPBACK.has(name.startsWith('[') ? name.slice(1, -1) : name);
  }
}

/** The address for people. */
export function watchAddress(host: string, port: number): string {
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}/`;
}

function emptyPending(): Pending {
  return { steps: [], evaluations: [], samples: [] };
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
