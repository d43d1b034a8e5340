/** The Reply of node:http's response. */
import type { ServerResponse } from 'node:http';
import { BackpressureWriter } from './backpressure-writer.js';
import type { HttpError } from './http-error.js';
import type { EventStream, EventStreamOptions, Reply, ReplyHeaders, TextStream } from './route.js';

export interface ReplySettings {
  /** `: ping` is sent after so long without an event. */
  readonly pingMilliseconds: number;
  /** A client that takes nothing for so long is cut off. */
  readonly stallMilliseconds: number;
  readonly errorBody: (error: HttpError) => unknown;
  /**
   * Called when an error is to be written. Where the request has a body that was not read to its end: settles when the
   * connection may be closed. One that is closed with unread bytes is reset, and the client may never see the answer.
   */
  readonly linger: () => Promise<void> | undefined;
}

type Form = 'none' | 'whole' | 'events' | 'text';

export class ServerReply implements Reply {
  readonly #response: ServerResponse;
  readonly #settings: ReplySettings;
  #form: Form = 'none';
  #events: ServerEventStream | undefined;

  constructor(response: ServerResponse, settings: ReplySettings) {
    this.#response = response;
    this.#settings = settings;
  }

  /** Something was answered, or begun to be. */
  get isBegun(): boolean {
    return this.#form !== 'none';
  }

  json(status: number, value: unknown, headers: ReplyHeaders = {}): void {
    this.#whole(status, JSON.stringify(value) ?? 'null', {
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      ...headers,
    });
  }

  text(status: number, text: string | Buffer, headers: ReplyHeaders = {}): void {
    this.#whole(status, text, { 'content-type': 'text/plain; charset=utf-8', ...headers });
  }

  eventStream(options: EventStreamOptions = {}): EventStream {
    this.#begin('events');
    this.#events = new ServerEventStream(this.#response, this.#settings, options);
    return this.#events;
  }

  textStream(headers: ReplyHeaders = {}): TextStream {
    this.#begin('text');
    const response = this.#response;
    const writer = new BackpressureWriter(response, this.#settings.stallMilliseconds);
    const head = (): void => {
      if (!response.headersSent)
        response.writeHead(200, {
          'content-type': 'text/plain; charset=utf-8',
          'cache-control': 'no-cache',
          'x-accel-buffering': 'no',
          ...headers,
        });
    };
    return {
      write: async (text) => {
        head();
        if (text !== '') await writer.write(text);
      },
      end: async () => {
        head();
        response.end();
      },
    };
  }

  /** Answers with the error in whatever way is still open. */
  async fail(error: HttpError): Promise<void> {
    if (!this.#response.headersSent) {
      this.#events?.stop();
      this.#form = 'whole';
      const linger = this.#settings.linger();
      const bytes = Buffer.from(JSON.stringify(this.#settings.errorBody(error)));
      this.#response.writeHead(error.status, {
        'content-type': 'application/json; charset=utf-8',
        'cache-control': 'no-store',
        ...error.headers,
        ...(error.retryAfter === undefined ? {} : { 'retry-after': String(Math.ceil(error.retryAfter)) }),
        'content-length': String(bytes.length),
        ...(linger === undefined ? {} : { connection: 'close' }),
      });
      this.#response.write(bytes);
      await linger;
      this.#response.end();
    } else if (this.#events !== undefined && !this.#response.writableEnded) {
      await this.#events.send(this.#settings.errorBody(error), this.#events.errorEvent);
      await this.#events.end();
    } else this.#response.destroy();
  }

  /** After the handler: no ping follows. */
  stop(): void {
    this.#events?.stop();
  }

  #begin(form: Form): void {
    if (this.#form !== 'none') throw new Error(`a request was answered twice: ${this.#form}, then ${form}`);
    this.#form = form;
  }

  #whole(status: number, body: string | Buffer, headers: ReplyHeaders): void {
    this.#begin('whole');
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const hasBody = status !== 204 && status !== 304;
    this.#response.writeHead(status, {
      ...headers,
      ...(hasBody ? { 'content-length': String(bytes.length) } : {}),
    });
    this.#response.end(hasBody ? bytes : undefined);
  }
}

/** Server-Sent Events as OpenAI's clients read them: one `data:` line an event. */
class ServerEventStream implements EventStream {
  readonly #response: ServerResponse;
  readonly #writer: BackpressureWriter;
  readonly #options: EventStreamOptions;
  readonly #ping: NodeJS.Timeout;

  constructor(response: ServerResponse, settings: ReplySettings, options: EventStreamOptions) {
    this.#response = response;
    this.#writer = new BackpressureWriter(response, settings.stallMilliseconds);
    this.#options = options;
    this.#ping = setTimeout(() => this.#sendPing(), settings.pingMilliseconds).unref();
  }

  async send(value: unknown, event?: string): Promise<void> {
    const text = typeof value === 'string' ? value : oneLine(JSON.stringify(value) ?? 'null');
    // Only a text of the caller's own can have line ends; each line is then a data line, as the standard has it.
    const name = event === undefined ? '' : `event: ${event}\n`;
    await this.#write(`${name}data: ${text.replace(/\r\n|\r|\n/g, '\ndata: ')}\n\n`);
  }

  get errorEvent(): string | undefined {
    return this.#options.errorEvent;
  }

  async comment(text: string): Promise<void> {
    await this.#write(`: ${text.replace(/[\r\n]+/g, ' ')}\n\n`);
  }

  async end(): Promise<void> {
    const { terminator = '[DONE]' } = this.#options;
    if (terminator !== null) await this.send(terminator);
    this.#sendHead();
    this.stop();
    this.#response.end();
  }

  stop(): void {
    clearTimeout(this.#ping);
  }

  async #write(text: string): Promise<void> {
    this.#sendHead();
    this.#ping.refresh();
    await this.#writer.write(text);
  }

  #sendHead(): void {
    if (this.#response.headersSent) return;
    this.#response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-cache',
      // As the client asked; a server that drains keeps none.
      Connection: this.#response.shouldKeepAlive ? 'keep-alive' : 'close',
      'X-Accel-Buffering': 'no',
      ...this.#options.headers,
    });
  }

  #sendPing(): void {
    if (this.#response.destroyed || this.#response.writableEnded) return;
    this.#ping.refresh();
    if (this.#writer.isBehind) return;
    this.#sendHead();
    this.#response.write(': ping\n\n');
  }
}

/** What readers in other languages take for the end of a line, JSON does not: Python's `splitlines` among them. */
function oneLine(json: string): string {
  return json.replace(
    /[\u0085\u2028\u2029]/g,
    (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
