/** A YAML file of tasks with the lines of its keys, and how its faults are told. */
import { dirname } from 'node:path';
import type { z } from 'zod';
import { type LocatedValue, parseConfig, parseLocatedYaml, readConfigText } from '../../config/index.js';
import { InputError } from '../../errors/index.js';

export class TaskFile {
  readonly path: string;
  /** Where paths within it begin. */
  readonly folder: string;
  readonly content: Readonly<Record<string, unknown>>;
  readonly #located: LocatedValue;

  private constructor(path: string, located: LocatedValue, content: Readonly<Record<string, unknown>>) {
    this.path = path;
    this.folder = dirname(path);
    this.#located = located;
    this.content = content;
  }

  /**
   * @param version YAML 1.1 for files that were written for PyYAML
   * @throws InputError `<file>:<line>: …`
   */
  static read(path: string, version: '1.1' | '1.2', tags: readonly string[] = []): TaskFile {
    const located = parseLocatedYaml(readConfigText(path), path, { version, tags });
    const { value } = located;
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new InputError(`${path}: a task is a mapping of keys; this file has none.`);
    return new TaskFile(path, located, { ...value });
  }

  /** "<file>:<line>: <key>", for messages. */
  placeOf(...key: readonly PropertyKey[]): string {
    return `${this.path}:${this.#located.lineOf(key)}: ${key.map(String).join('.')}`;
  }

  fault(key: readonly PropertyKey[], problem: string): InputError {
    return new InputError(`${this.placeOf(...key)}: ${problem}`);
  }

  /** @throws InputError that names file, line and key of every problem, and the nearest known key */
  check<Schema extends z.ZodType>(schema: Schema): z.output<Schema> {
    return parseConfig(schema, this.content, { source: this.path, lineOf: this.#located.lineOf });
  }
}
