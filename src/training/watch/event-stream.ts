/**
 * Server-Sent Events (WHATWG HTML, section 9.2) to a bounded number of readers. One that comes back with the id of the
 * last event it saw gets what it missed, or is told to read everything anew.
 */
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';

const MAX_CLIENTS = 32;
/** Events kept for readers that come back. */
const KEPT_EVENTS = 256;
/** A reader that lags so many bytes behind is cut off; it will come back and catch up. */
const MAX_LAG_BYTES = 1_000_000;
const HEARTBEAT_MILLISECONDS = 15_000;
const RETRY_MILLISECONDS = 1_500;

export class EventStream {
  /** Tells the events of this server from those of one before it. */
  readonly #epoch = randomBytes(6).toString('hex');
  readonly #clients = new Set<ServerResponse>();
  readonly #kept: string[] = [];
  #sequence = 0;
  readonly #heartbeat = setInterval(() => this.#toAll(': still here\n\n'), HEARTBEAT_MILLISECONDS).unref();

  /** The id of the last event. */
  get cursor(): string {
    return `${this.#epoch}-${this.#sequence}`;
  }

  send(data: unknown): void {
    this.#sequence += 1;
    const event = `id: ${this.cursor}\ndata: ${JSON.stringify(data)}\n\n`;
    this.#kept.push(event);
    if (this.#kept.length > KEPT_EVENTS) this.#kept.shift();
    this.#toAll(event);
  }

  /** @returns false if there are too many readers already */
  add(response: ServerResponse, after: string | undefined): boolean {
    if (this.#clients.size >= MAX_CLIENTS) return false;
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    });
    response.write(`retry: ${RETRY_MILLISECONDS}\n\n`);
    const missed = this.#missedSince(after);
    response.write(missed === undefined ? `id: ${this.cursor}\nevent: reset\ndata: {}\n\n` : missed.join(''));
    this.#clients.add(response);
    response.on('close', () => this.#clients.delete(response));
    return true;
  }

  /** All readers read everything anew. */
  reset(): void {
    this.#kept.length = 0;
    this.#sequence += KEPT_EVENTS + 1; // What anyone has seen before counts as too long ago.
    this.#toAll(`id: ${this.cursor}\nevent: reset\ndata: {}\n\n`);
  }

  close(): void {
    clearInterval(this.#heartbeat);
    for (const client of this.#clients) client.end();
  }

  /** undefined where it can no longer be told. */
  #missedSince(after: string | undefined): readonly string[] | undefined {
    const [epoch, text = ''] = (after ?? '').split('-');
    const count = this.#sequence - Number(text === '' ? Number.NaN : text);
    if (epoch !== this.#epoch || !Number.isInteger(count) || count < 0 || count > this.#kept.length)
      return undefined;
    return count === 0 ? [] : this.#kept.slice(-count);
  }

  #toAll(event: string): void {
    for (const client of this.#clients) {
      if (client.writableLength > MAX_LAG_BYTES) client.destroy();
      else client.write(event);
    }
  }
}
