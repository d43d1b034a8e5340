/** The adapters of an engine, and which of them are being loaded or unloaded. */
import { InputError } from '../../errors/index.js';
import type { AdapterInfo } from '../engine-service.js';

export class AdapterList {
  #loaded: AdapterInfo[];
  /** Names that are being loaded or unloaded. */
  readonly #changing = new Set<string>();

  constructor(loaded: readonly AdapterInfo[] = []) {
    this.#loaded = [...loaded];
  }

  /** Those that new requests may use. */
  get loaded(): readonly AdapterInfo[] {
    return this.#loaded;
  }

  /** @throws InputError for a name that is taken; what `load` throws */
  async add(adapter: AdapterInfo, load: () => void | Promise<void>): Promise<void> {
    const { name } = adapter;
    if (this.#changing.has(name))
      throw new InputError(`The adapter "${name}" is being loaded or unloaded; wait for the end of it.`);
    const present = this.#loaded.find((other) => other.name === name);
    if (present !== undefined)
      throw new InputError(
        `An adapter "${name}" is loaded already, from ${present.path}; unload it first, or take another name.`,
      );
    this.#changing.add(name);
    try {
      await load();
      this.#loaded = [...this.#loaded, adapter];
    } finally {
      this.#changing.delete(name);
    }
  }

  /**
   * No new request may use it from the call on.
   * @param unload called when `idle` is fulfilled
   * @throws InputError for an unknown name
   */
  async remove(
    name: string,
    idle: (name: string) => Promise<void>,
    unload: () => void | Promise<void>,
  ): Promise<void> {
    const adapter = this.#loaded.find((other) => other.name === name);
    if (adapter === undefined)
      throw new InputError(
        `No adapter "${name}" is loaded; loaded: ${this.#loaded.map((other) => other.name).join(', ') || 'none'}.`,
      );
    this.#loaded = this.#loaded.filter((other) => other !== adapter);
    this.#changing.add(name);
    try {
      await idle(name);
      await unload();
    } catch (error) {
      this.#loaded = [...this.#loaded, adapter];
      throw error;
    } finally {
      this.#changing.delete(name);
    }
  }

  /** A new engine could not load these again. */
  lose(names: readonly string[]): void {
    this.#loaded = this.#loaded.filter(({ name }) => !names.includes(name));
  }
}
