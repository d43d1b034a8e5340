/** Settings of a chat request that some addresses refuse: reasoning models take no temperature, and another name of the limit. */
import { log } from '../../log/index.js';
import type { HttpFailure } from './http-client.js';

export class ChatSettings {
  readonly #address: string;
  /** How often something was learned. */
  #version = 0;
  #isLimitRenamed = false;
  readonly #left = new Set<'temperature' | 'seed'>();

  constructor(address: string) {
    this.#address = address;
  }

  get version(): number {
    return this.#version;
  }

  /** The body as this address takes it. */
  adapted<Body extends object>(body: Body): object {
    const entries = Object.entries(body).flatMap(([key, value]): [string, unknown][] => {
      if (key === 'max_tokens' && this.#isLimitRenamed) return [['max_completion_tokens', value]];
      return (key === 'temperature' || key === 'seed') && this.#left.has(key) ? [] : [[key, value]];
    });
    return Object.fromEntries(entries);
  }

  /**
   * Learns from a refusal.
   * @param version when the refused body was made: others may have learned since
   * @returns whether another try with what was learned makes sense
   */
  learn({ status, message }: HttpFailure, version: number): boolean {
    if (status !== 400 && status !== 422) return false;
    if (version !== this.#version) return true;
    if (!this.#isLimitRenamed && message.includes('max_completion_tokens')) {
      this.#isLimitRenamed = true;
      this.#version += 1;
      return true;
    }
    const refused = (['temperature', 'seed'] as const).find(
      (name) => !this.#left.has(name) && new RegExp(`unsupported[^.]*\\b${name}\\b`, 'i').test(message),
    );
    if (refused === undefined) return false;
    this.#left.add(refused);
    this.#version += 1;
    log(`${this.#address} takes no ${refused} of ours (${message.slice(0, 200)}); its answers may vary`);
    return true;
  }
}
