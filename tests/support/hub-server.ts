/** A small hub for tests: its file API with LFS files on another host, and faults on request. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HubFile {
  readonly content: Buffer;
  /** Served by redirect from the other host, with its SHA-256 for an ETag. */
  readonly isLarge?: boolean;
}

/** What goes wrong, by the path of the request. */
export interface HubFaults {
  /** Times that a body breaks off half way. */
  cuts: number;
  /** Times that 429 is answered. */
  busy: number;
  /** Seconds in Retry-After. */
  retryAfter: string;
  /** The bytes of large files are others than their hash. */
  isForged: boolean;
  /** Ranges are not understood. */
  ignoresRanges: boolean;
  /** Large files lie at this address. */
  redirect: string | undefined;
  /** The ETag of every file. */
  etag: string | undefined;
  /** Names that are listed beside the files. */
  names: string[];
  sha: string;
}

export interface HubRequestSeen {
  readonly host: 'hub' | 'store';
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

export const COMMIT = '0123456789abcdef0123456789abcdef01234567';

export class HubServer {
  readonly files: Map<string, HubFile>;
  readonly repository: string;
  readonly seen: HubRequestSeen[] = [];
  faults!: HubFaults;
  /** A token that is asked for. */
  token: string | undefined;
  readonly #hub: Server;
  /** Where large files lie: another origin. */
  readonly #store: Server;

  /** @param repository models/ORG/NAME or datasets/ORG/NAME */
  constructor(repository: string, files: Readonly<Record<string, HubFile>>) {
    this.repository = repository;
    this.files = new Map(Object.entries(files));
    this.reset();
    this.#hub = createServer((request, response) => this.#answer('hub', request, response));
    this.#store = createServer((request, response) => this.#answer('store', request, response));
  }

  reset(): void {
    this.seen.length = 0;
    this.token = undefined;
    this.faults = {
      ...{ cuts: 0, busy: 0, retryAfter: '0', isForged: false, ignoresRanges: false, redirect: undefined },
      ...{ etag: undefined, names: [], sha: COMMIT },
    };
  }

  async start(): Promise<void> {
    for (const server of [this.#hub, this.#store])
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    for (const server of [this.#hub, this.#store]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  get address(): string {
    return `http://127.0.0.1:${portOf(this.#hub)}`;
  }

  get storeAddress(): string {
    return `http://127.0.0.1:${portOf(this.#store)}`;
  }

  #answer(host: 'hub' | 'store', request: IncomingMessage, response: ServerResponse): ServerResponse {
    const { method = 'GET', url = '/', headers } = request;
    this.seen.push({ host, method, url, authorization: headers.authorization, range: headers.range });
    const end = (status: number, fields: Record<string, string> = {}, body = ''): ServerResponse =>
      response.writeHead(status, fields).end(method === 'HEAD' ? undefined : body);
    if (host === 'store') {
      const file = this.files.get(decodeURIComponent(url.slice(1)));
      if (file === undefined) return end(404);
      return this.#send(method, headers.range, file, response, this.faults.isForged);
    }
    if (this.faults.busy > 0) {
      this.faults.busy -= 1;
      return end(429, { 'retry-after': this.faults.retryAfter });
    }
    if (this.token !== undefined && headers.authorization !== `Bearer ${this.token}`) return end(401);
    if (url === `/api/${this.repository}/revision/main`) {
      const names = [...this.files.keys(), ...this.faults.names];
      const listing = {
        sha: this.faults.sha,
        siblings: names.map((rfilename) => ({ rfilename })),
        private: false,
      };
      return end(200, { 'content-type': 'application/json' }, JSON.stringify(listing));
    }
    const prefix = `/${this.repository.replace(/^models\//, '')}/resolve/${COMMIT}/`;
    const name = url.startsWith(prefix) ? decodeURIComponent(url.slice(prefix.length)) : '';
    const file = this.files.get(name);
    if (file === undefined) return end(404, { 'x-error-message': 'Entry not found' });
    const etag = this.faults.etag ?? etagOf(file);
    const fields = { etag: `"${etag}"`, 'x-repo-commit': COMMIT };
    if (file.isLarge !== true) return this.#send(method, headers.range, file, response, false, fields);
    return end(302, {
      ...fields,
      'x-linked-etag': `"${etag}"`,
      'x-linked-size': String(file.content.length),
      location: this.faults.redirect ?? `${this.storeAddress}/${encodeURIComponent(name)}`,
    });
  }

  #send(
    method: string,
    range: string | undefined,
    { content }: HubFile,
    response: ServerResponse,
    isForged: boolean,
    fields: Record<string, string> = {},
  ): ServerResponse {
    const start = this.faults.ignoresRanges ? 0 : Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    const body = Buffer.from(content.subarray(start));
    if (isForged && body.length > 0) body[body.length - 1] = (body.at(-1) ?? 0) ^ 1;
    response.writeHead(start > 0 ? 206 : 200, {
      ...fields,
      'content-length': String(body.length),
      ...(start > 0 && { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` }),
    });
    if (method === 'HEAD') return response.end();
    if (this.faults.cuts === 0 || body.length < 2) return response.end(body);
    this.faults.cuts -= 1;
    response.write(body.subarray(0, Math.floor(body.length / 2)), () =>
      setTimeout(() => response.destroy(), 20),
    );
    return response;
  }
}

/** SHA-256 of a large file, git's SHA-1 of another. */
export function etagOf({ content, isLarge = false }: HubFile): string {
  if (isLarge) return createHash('sha256').update(content).digest('hex');
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server does not listen');
  return (address satisfies AddressInfo).port;
}
