/** All ranks of a run: they meet at a store, agree on what they are about to do, and share one process group. */
import { createHash } from 'node:crypto';
import { InputError, messageOf } from '../errors/index.js';
import { Store } from '../tensor/index.js';
import { ProcessGroup } from './process-group.js';
import type { RankEnvironment } from './rank-environment.js';

/** Ranks that are started one after the other, on machines that are not equally fast. */
const JOIN_MILLISECONDS = 300_000;
/** Of one collective. A rank may write a checkpoint or compute a reference while the others wait. */
const COLLECTIVE_MILLISECONDS = 1_800_000;

export interface WorldOptions {
  /** For the others to come, in ms. Default 300 000. */
  readonly joinTimeout?: number;
  /** Of one collective, in ms. Default 1 800 000. */
  readonly timeout?: number;
  /** Where they meet, if it is open already. */
  readonly store?: Store | undefined;
  /** Tells this meeting from others of the same start, as all ranks name it. Default: there is one. */
  readonly meeting?: string | undefined;
}

export class World {
  readonly rank: number;
  readonly size: number;
  readonly group: ProcessGroup;
  readonly #store: Store;
  /** Of its keys. */
  readonly #prefix: string;
  readonly #joinTimeout: number;
  readonly #timeout: number;
  readonly #subgroups: ProcessGroup[] = [];
  #agreed = 0;

  private constructor(
    store: Store,
    { rank, size }: RankEnvironment,
    prefix: string,
    group: ProcessGroup,
    { joinTimeout, timeout }: Required<Pick<WorldOptions, 'joinTimeout' | 'timeout'>>,
  ) {
    this.#store = store;
    this.#prefix = prefix;
    this.rank = rank;
    this.size = size;
    this.group = group;
    this.#joinTimeout = joinTimeout;
    this.#timeout = timeout;
  }

  /** @throws InputError if not all ranks come in time, or the port is taken */
  static join(environment: RankEnvironment, options: WorldOptions = {}): World {
    const { rank, size, host, port } = environment;
    const { joinTimeout = JOIN_MILLISECONDS, timeout = COLLECTIVE_MILLISECONDS, meeting } = options;
    const prefix = meeting === undefined ? prefixOf(environment) : `${prefixOf(environment)}-${meeting}`;
    try {
      const store = options.store ?? openStore(environment, joinTimeout);
      const group = new ProcessGroup(store, { name: `${prefix}/world`, rank, size, timeout });
      return new World(store, environment, prefix, group, { joinTimeout, timeout });
    } catch (error) {
      throw new InputError(
        `rank ${rank} of ${size}: the ranks did not meet at ${host}:${port} (MASTER_ADDR, MASTER_PORT): ${messageOf(error)}`,
      );
    }
  }

  /** A store that all ranks find, and a key in it for what rank 0 says before they are one world. @throws InputError if it is not there */
  static store(environment: RankEnvironment, what: string, timeout = JOIN_MILLISECONDS): [Store, string] {
    const { rank, size, host, port } = environment;
    try {
      return [openStore(environment, timeout), `${prefixOf(environment)}/${what}`];
    } catch (error) {
      throw new InputError(
        `rank ${rank} of ${size}: the ranks did not meet at ${host}:${port} (MASTER_ADDR, MASTER_PORT): ${messageOf(error)}`,
      );
    }
  }

  /** Rank 0 alone writes, logs and reports. */
  get isFirst(): boolean {
    return this.rank === 0;
  }

  /**
   * Every rank must give the same.
   * @param what for the message: "the configuration"
   * @throws InputError on every rank if one gives another value
   */
  agree(what: string, value: string): void {
    const key = `${this.#prefix}/agree/${this.#agreed++}`;
    const hash = createHash('sha256').update(value).digest('hex');
    this.#store.set(`${key}/${this.rank}`, hash);
    const hashes = Array.from({ length: this.size }, (_, rank) =>
      this.#store.get(`${key}/${rank}`, this.#joinTimeout),
    );
    const others = hashes.flatMap((other, rank) => (other === hashes[0] ? [] : [rank]));
    if (others.length > 0)
      throw new InputError(
        `rank ${others.join(', ')} of ${this.size} has not the same as rank 0: ${what}; all ranks of a run need the same.`,
      );
  }

  /** A text of rank 0. */
  tell(text: string | undefined): string {
    const key = `${this.#prefix}/tell/${this.#agreed++}`;
    if (this.isFirst) this.#store.set(key, text ?? '');
    return this.#store.get(key, this.#timeout);
  }

  /** A text of every rank, in their order, on rank 0; the others get none. @throws Error if a rank does not give its own in time */
  collect(text: string): string[] {
    const key = `${this.#prefix}/collect/${this.#agreed++}`;
    this.#store.set(`${key}/${this.rank}`, text);
    if (!this.isFirst) return [];
    return Array.from({ length: this.size }, (_, rank) => this.#store.get(`${key}/${rank}`, this.#timeout));
  }

  /**
   * A group of some of the ranks, under a name that each of them gives.
   * @param rank of this process in it @param size of it @param timeout of its collectives, in ms. Default: the world's
   */
  subgroup(name: string, rank: number, size: number, timeout = this.#timeout): ProcessGroup {
    if (size === 1) return ProcessGroup.alone();
    const options = { name: `${this.#prefix}/${name}`, rank, size, timeout };
    const group = new ProcessGroup(this.#store, options);
    this.#subgroups.push(group);
    return group;
  }

  leave(): void {
    for (const group of this.#subgroups) group.dispose();
    this.group.dispose();
  }
}

/** A store that outlives its ranks still holds what those of an earlier start said. */
function prefixOf({ restart }: RankEnvironment): string {
  return `xinghe-${restart}`;
}

function openStore({ rank, size, host, port, isStoreServed }: RankEnvironment, timeout: number): Store {
  return new Store({ host, port, size, isServer: rank === 0 && !isStoreServed, timeout });
}
