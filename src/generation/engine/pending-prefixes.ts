/** Blocks of prompts that running sequences are about to compute: requests with the same prefix wait for them. */
import type { ScheduledTask } from './task.js';

export class PendingPrefixes {
  readonly #owners = new Map<string, ScheduledTask>();
  readonly #announced = new Map<ScheduledTask, readonly string[]>();

  get size(): number {
    return this.#owners.size;
  }

  has(owner: ScheduledTask): boolean {
    return this.#announced.has(owner);
  }

  ownerOf(hash: string): ScheduledTask | undefined {
    return this.#owners.get(hash);
  }

  announce(owner: ScheduledTask, hashes: readonly string[]): void {
    for (const hash of hashes) this.#owners.set(hash, owner);
    this.#announced.set(owner, hashes);
  }

  /** They have run, or will not. */
  withdraw(owner: ScheduledTask): void {
    for (const hash of this.#announced.get(owner) ?? [])
      if (this.#owners.get(hash) === owner) this.#owners.delete(hash);
    this.#announced.delete(owner);
  }
}
