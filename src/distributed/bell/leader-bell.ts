/**
 * By which the first rank of a model that waits for requests wakes the others. They wait for a connection's next message, which costs
 * nothing and has no time-out however long nothing comes, and each side hears at once when the other is gone; all else goes through the
 * process group.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { InputError } from '../../errors/index.js';
import { Connection } from '../launch/connection.js';
import { type FromLeader, parseFromFollower, type ToLeader } from './bell-messages.js';

type Follower = Connection<ToLeader, FromLeader>;

export class LeaderBell {
  readonly #server: Server;
  readonly #token = randomBytes(16).toString('hex');
  readonly #size: number;
  readonly #followers = new Map<number, Follower>();
  #isEnded = false;
  #settle: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #lost: string | undefined;
  #hearLoss: ((what: string) => void) | undefined;

  private constructor(size: number) {
    this.#size = size;
    this.#server = createServer((socket) => this.#accept(socket));
    // It waits for no one: whoever has the bell decides how long the process lives.
    this.#server.unref();
  }

  /** @param size ranks in all @param host the address at which the others reach this machine */
  static async open(size: number, host: string): Promise<LeaderBell> {
    const bell = new LeaderBell(size);
    await new Promise<void>((resolve, reject) => {
      bell.#server.once('error', reject);
      bell.#server.listen({ port: 0, ...(isLoopback(host) && { host }) }, resolve);
    });
    return bell;
  }

  /** What the others are told, so that they find it. */
  get address(): string {
    const address = this.#server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return `${port} ${this.#token}`;
  }

  /** Names this meeting among all that the same ranks have had. */
  get name(): string {
    return this.#token.slice(0, 8);
  }

  /** @throws InputError if the others do not come in time */
  async allHere(milliseconds: number): Promise<void> {
    if (this.#followers.size === this.#size - 1) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      this.#settle = { resolve, reject };
      timer = setTimeout(
        () =>
          reject(
            new InputError(
              `rank 0 of ${this.#size}: ${this.#size - 1 - this.#followers.size} of the other ranks did not come within ` +
                `${Math.round(milliseconds / 1000)} s.`,
            ),
          ),
        milliseconds,
      );
    }).finally(() => clearTimeout(timer));
  }

  /** @param hear called once, when one of the others is gone, with which and why */
  onLost(hear: (what: string) => void): void {
    this.#hearLoss = hear;
    if (this.#lost !== undefined) hear(this.#lost);
  }

  /** @param length of what follows through the group */
  ring(length: number): void {
    this.#send({ kind: 'ring', length });
  }

  /** The others have nothing more to do. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#send({ kind: 'end' });
    this.#server.close();
    for (const follower of this.#followers.values()) follower.close();
  }

  #send(message: FromLeader): void {
    for (const follower of this.#followers.values()) follower.send(message);
  }

  #accept(socket: Socket): void {
    let rank: number | undefined;
    const follower: Follower = new Connection(socket, {
      parse: parseFromFollower,
      onMessage: (message) => {
        const isWanted = message.token === this.#token && message.rank > 0 && message.rank < this.#size;
        // One that comes again while the old one is still there is of the time after this meeting.
        if (rank !== undefined || !isWanted || this.#followers.has(message.rank)) {
          socket.destroy();
          return;
        }
        rank = message.rank;
        this.#followers.set(rank, follower);
        follower.send({ kind: 'hello' });
        if (this.#followers.size === this.#size - 1) this.#settle?.resolve();
      },
      onClose: (why) => {
        if (rank === undefined || this.#isEnded) return;
        this.#lose(`rank ${rank} is gone: ${why}`);
      },
    });
  }

  #lose(what: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = what;
    this.#settle?.reject(new Error(what));
    this.#hearLoss?.(what);
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}
