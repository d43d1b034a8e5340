/** Typed access to foreign JSON, with errors that name file and key. */
import { InputError } from '../errors/index.js';

/** Typed access to a foreign JSON object; every InputError names the file, the key and the value found. */
export class JsonFields {
  readonly source: string;
  readonly #values: ReadonlyMap<string, unknown>;

  /** @param source is the file and the path of the object in it, such as `tokenizer.json: model`. */
  constructor(value: unknown, source: string) {
    this.source = source;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new InputError(`${source} must be an object, found ${shown(value)}.`);
    }
    this.#values = new Map(Object.entries(value));
  }

  entries(): IterableIterator<[string, unknown]> {
    return this.#values.entries();
  }

  /** The value as it is; undefined where the key is missing or null. */
  value(key: string): unknown {
    return this.#values.get(key) ?? undefined;
  }

  has(key: string): boolean {
    return this.value(key) !== undefined;
  }

  object(key: string): JsonFields {
    return new JsonFields(this.value(key), this.at(key));
  }

  array(key: string): readonly unknown[] {
    const value = this.value(key);
    if (!Array.isArray(value)) throw this.mismatch(key, 'an array');
    return value;
  }

  /** The objects of an array. */
  objects(key: string): JsonFields[] {
    return this.array(key).map((item, index) => new JsonFields(item, `${this.at(key)}[${index}]`));
  }

  string(key: string, fallback?: string): string {
    const value = this.value(key) ?? fallback;
    if (typeof value !== 'string') throw this.mismatch(key, 'a string');
    return value;
  }

  boolean(key: string, fallback?: boolean): boolean {
    const value = this.value(key) ?? fallback;
    if (typeof value !== 'boolean') throw this.mismatch(key, 'true or false');
    return value;
  }

  /** A non-negative integer up to `limit`. */
  integer(key: string, limit: number, fallback?: number): number {
    const value = this.value(key) ?? fallback;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > limit) {
      throw this.mismatch(key, `an integer from 0 to ${limit}`);
    }
    return value;
  }

  at(key: string): string {
    return this.source.endsWith(':') ? `${this.source} ${key}` : `${this.source}.${key}`;
  }

  mismatch(key: string, wanted: string): InputError {
    return new InputError(`${this.at(key)} must be ${wanted}, found ${shown(this.value(key))}.`);
  }

  /** The InputError for a component that we do not have. */
  unsupported(kind: string, supported: string): InputError {
    return new InputError(
      `${this.source}: the ${kind} ${shown(this.value('type'))} is not supported; supported are ${supported}.`,
    );
  }
}

/** A value for a message, cut to a readable length. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
