/** The other end of `LeaderBell`. */
import { connect } from 'node:net';
import { InputError } from '../../errors/index.js';
import { Connection } from '../launch/connection.js';
import { type FromLeader, parseFromLeader, type ToLeader } from './bell-messages.js';

const RETRY_MILLISECONDS = 200;

export interface FollowerHooks {
  /** @param length of what follows through the group */
  readonly onRing: (length: number) => void;
  /** Once: the first rank has ended (undefined), or is gone, and why. */
  readonly onEnd: (why: string | undefined) => void;
}

export class FollowerBell {
  readonly name: string;
  #hooks: FollowerHooks | undefined;
  /** What came before anybody listened. */
  readonly #early: number[] = [];
  #end: { readonly why: string | undefined } | undefined;
  #closeLine: () => void = () => undefined;

  private constructor(name: string) {
    this.name = name;
  }

  /**
   * @param address what `LeaderBell.address` is now: it may be that of a first rank that has just died
   * @throws InputError if nobody answers in time
   */
  static async find(
    address: () => string,
    { host, rank }: { readonly host: string; readonly rank: number },
    milliseconds: number,
  ): Promise<FollowerBell> {
    const latest = performance.now() + milliseconds;
    for (;;) {
      const [port, token = ''] = address().split(' ');
      const bell = await FollowerBell.#connect(host, Number(port), token, rank);
      if (bell !== undefined) return bell;
      if (performance.now() > latest)
        throw new InputError(
          `rank ${rank}: rank 0 did not answer at ${host}:${port} within ${Math.round(milliseconds / 1000)} s (MASTER_ADDR).`,
        );
      await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS));
    }
  }

  static #connect(
    host: string,
    port: number,
    token: string,
    rank: number,
  ): Promise<FollowerBell | undefined> {
    return new Promise((resolve) => {
      const bell = new FollowerBell(token.slice(0, 8));
      const socket = connect({ host, port });
      const line = new Connection<FromLeader, ToLeader>(socket, {
        parse: parseFromLeader,
        onMessage: (message) => {
          if (message.kind === 'hello') resolve(bell);
          else bell.#receive(message);
        },
        onClose: (why) => {
          resolve(undefined);
          bell.#finish(why);
        },
      });
      bell.#closeLine = () => socket.destroy();
      socket.on('connect', () => line.send({ token, rank }));
    });
  }

  /** Told from here on. */
  listen(hooks: FollowerHooks): void {
    this.#hooks = hooks;
    for (const length of this.#early.splice(0)) hooks.onRing(length);
    if (this.#end !== undefined) hooks.onEnd(this.#end.why);
  }

  close(): void {
    this.#closeLine();
  }

  #receive(message: Exclude<FromLeader, { kind: 'hello' }>): void {
    if (message.kind === 'end') this.#finish(undefined);
    else if (this.#hooks === undefined) this.#early.push(message.length);
    else this.#hooks.onRing(message.length);
  }

  #finish(why: string | undefined): void {
    if (this.#end !== undefined) return;
    this.#end = { why };
    this.#hooks?.onEnd(why);
  }
}
