/** Writes to a client with backpressure: what it does not take stays with the producer, in no buffer of ours. */
import type { ServerResponse } from 'node:http';
import { ClientGoneError } from './http-error.js';

export class BackpressureWriter {
  readonly #response: ServerResponse;
  readonly #stallMilliseconds: number;
  #waiting: Promise<void> | undefined;

  /** @param stallMilliseconds a client that takes nothing for so long is cut off: it would hold its sequence for ever */
  constructor(response: ServerResponse, stallMilliseconds: number) {
    this.#response = response;
    this.#stallMilliseconds = stallMilliseconds;
  }

  /** Resolves when there is room for more. @throws ClientGoneError */
  async write(text: string): Promise<void> {
    const response = this.#response;
    if (response.destroyed || response.writableEnded) throw new ClientGoneError();
    if (!response.write(text)) await this.#room();
  }

  /** One wait for all that write side by side, the choices of one answer. */
  #room(): Promise<void> {
    this.#waiting ??= this.#drained().finally(() => {
      this.#waiting = undefined;
    });
    return this.#waiting;
  }

  #drained(): Promise<void> {
    const response = this.#response;
    return new Promise((resolve, reject) => {
      const settle = (error?: Error): void => {
        clearTimeout(timer);
        response.off('drain', settle).off('close', onClose);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onClose = (): void => settle(new ClientGoneError());
      const timer = setTimeout(() => {
        settle(new ClientGoneError());
        response.destroy();
      }, this.#stallMilliseconds);
      response.on('drain', settle).on('close', onClose);
    });
  }

  /** True while the client has not yet taken what was written. */
  get isBehind(): boolean {
    return this.#response.writableNeedDrain;
  }
}
