/** libtorch's c10d: stores that processes meet at, and groups of processes whose collectives are operators. */
import { type NativeGroup, type NativeStore, type NativeTransfer, native } from './native.js';
import type { Tensor } from './tensor.js';

/** A key-value store that all processes of a run talk to; one of them serves it. */
export class Store {
  readonly #store: NativeStore;
  readonly #timeout: number;

  /**
   * Waits for the server.
   * @param timeout of this and of every later wait, in ms
   * @throws Error if nobody answers, or the port is taken
   */
  constructor(address: {
    readonly host: string;
    readonly port: number;
    readonly size: number;
    readonly isServer: boolean;
    readonly timeout: number;
  }) {
    const { host, port, size, isServer, timeout } = address;
    this.#timeout = timeout;
    this.#store = native().createStore(host, port, size, isServer, timeout);
  }

  set(key: string, value: string): void {
    native().storeSet(this.#store, key, value);
  }

  /** Waits until somebody has set it. @throws Error when the time is over */
  get(key: string, timeout = this.#timeout): string {
    return native().storeGet(this.#store, key, timeout);
  }

  /**
   * Makes a group under a name that all of its processes give; each of them must call this.
   * @param rank of this process in the group @param timeout of its collectives, in ms
   */
  createGlooGroup(name: string, rank: number, size: number, timeout: number): RegisteredGroup {
    return new RegisteredGroup(name, native().createGlooGroup(name, this.#store, rank, size, timeout));
  }
}

/** A group that the collective operators find by its name. Its connections end some time after it is disposed. */
export class RegisteredGroup {
  readonly name: string;
  #group: NativeGroup | undefined;

  constructor(name: string, group: NativeGroup) {
    this.name = name;
    this.#group = group;
  }

  dispose(): void {
    if (this.#group === undefined) return;
    native().removeGroup(this.name);
    this.#group = undefined;
  }
}

/** A tensor on its way to or from another process of a group; held until `wait` was called, which has to be. */
export class Transfer {
  readonly #transfer: NativeTransfer;

  private constructor(transfer: NativeTransfer) {
    this.#transfer = transfer;
  }

  /** @param tensor contiguous, not changed until it is there @param tag tells transfers between two processes apart */
  static send(group: string, tensor: Tensor, rank: number, tag: number): Transfer {
    return new Transfer(native().sendTensor(group, tensor.handle, rank, tag));
  }

  /** @param tensor contiguous: takes the values */
  static receive(group: string, tensor: Tensor, rank: number, tag: number): Transfer {
    return new Transfer(native().receiveTensor(group, tensor.handle, rank, tag));
  }

  /** @throws Error if the other process is gone, or time is over */
  wait(): void {
    native().waitTransfer(this.#transfer);
  }
}
