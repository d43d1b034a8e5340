/**
 * Adapters whose weights can be replaced under their name: the engine loads the new ones under another name, new requests take
 * these from then on, and the old ones go when the requests that use them have ended.
 */

import { InputError, messageOf } from '../errors/index.js';
import type { TextEvent, TextRequest } from '../generation/index.js';
import { log } from '../log/index.js';
import type { AdapterInfo } from './engine-service.js';
import { EngineWrapper } from './engine-wrapper.js';

/** Between a name and the number of its replacement; no name that a caller can give has it. */
const MARK = '\u0000';

export class ReplaceableAdapters extends EngineWrapper {
  /** Public names whose adapter was replaced, and what the engine calls the newest. */
  readonly #current = new Map<string, string>();
  #replacements = 0;

  /** Under their public names, each once. */
  override get adapters(): readonly AdapterInfo[] {
    return this.inner.adapters.flatMap(({ name, path }) => {
      const publicName = publicNameOf(name);
      return this.#ownName(publicName) === name ? [{ name: publicName, path }] : [];
    });
  }

  override generate(request: TextRequest, signal?: AbortSignal): AsyncIterable<TextEvent> {
    const { adapter } = request;
    if (adapter === undefined) return this.inner.generate(request, signal);
    return this.inner.generate({ ...request, adapter: this.#ownName(adapter) }, signal);
  }

  /** In place of the one of this name, if there is one. @throws InputError; the old one then stays */
  override async replaceAdapter(adapter: AdapterInfo): Promise<void> {
    const { name, path } = adapter;
    if (!this.adapters.some((other) => other.name === name)) return await this.loadAdapter(adapter);
    this.#replacements += 1;
    const fresh = `${name}${MARK}${this.#replacements}`;
    await this.inner.loadAdapter({ name: fresh, path });
    const old = this.#ownName(name);
    if (!this.inner.adapters.some((other) => other.name === old)) {
      await this.inner.unloadAdapter(fresh);
      throw new InputError(`The adapter "${name}" was unloaded while its new weights were loading.`);
    }
    this.#current.set(name, fresh);
    // Its requests may go on for minutes; nobody waits for them.
    this.inner
      .unloadAdapter(old)
      .catch((error: unknown) =>
        log(`adapter ${name}: its old weights could not be let go: ${messageOf(error)}`),
      );
  }

  override async unloadAdapter(name: string): Promise<void> {
    await this.inner.unloadAdapter(this.#ownName(name));
    this.#current.delete(name);
  }

  #ownName(publicName: string): string {
    return this.#current.get(publicName) ?? publicName;
  }
}

function publicNameOf(name: string): string {
  return name.split(MARK, 1)[0] ?? name;
}
