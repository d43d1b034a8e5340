/** Variables of an environment that stand for numbers, with messages that name them. */
import { InputError } from '../../errors/index.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** torch's own, where ranks meet. */
export const DEFAULT_PORT = 29_500;

export class Variables {
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** undefined: not set, or empty. */
  text(name: string): string | undefined {
    const text = this.#environment[name]?.trim();
    return text === '' ? undefined : text;
  }

  /** @throws InputError for what is no whole number from 0 */
  number(name: string): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (!/^\d{1,9}$/.test(text))
      throw new InputError(`${name}=${text} in the environment: expected a whole number from 0.`);
    return Number(text);
  }

  /** @param fallback where it is not set @throws InputError for what is no port */
  port(name: string, fallback: number): number {
    const port = this.number(name) ?? fallback;
    if (port < 1 || port > 65_535)
      throw new InputError(`${name}=${port} in the environment: a port is 1 to 65535.`);
    return port;
  }

  /** @throws InputError if both are set and differ */
  agree(name: string, other: string): void {
    const [one, two] = [this.number(name), this.number(other)];
    if (one !== undefined && two !== undefined && one !== two)
      throw new InputError(
        `${name}=${one} and ${other}=${two} in the environment contradict each other; unset one of them.`,
      );
  }
}
