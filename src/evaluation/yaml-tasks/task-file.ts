/** A YAML file of tasks with the lines of its keys, and how its faults are told. */
import { dirname } from 'node:path';
import type { z } from 'zod';
import { type LocatedValue, parseConfig, parseLocatedYaml, readConfigText } from '../../config/index.js';
import { InputError } from '../../errors/index.js';

/** Where keys stand, for messages. */
export interface KeyPlaces {
  readonly path: string;
  /** Where paths begin. */
  readonly folder: string;
  /** "<file>:<line>: <key>". A key is its parts, or they with points between. */
  placeOf(...key: readonly PropertyKey[]): string;
  fault(key: readonly PropertyKey[], problem: string): InputError;
}

export class TaskFile implements KeyPlaces {
  readonly path: string;
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
   * @param tags of texts that become a TaggedText
   * @throws InputError `<file>:<line>: …`
   */
  static read(path: string, version: '1.1' | '1.2', tags: readonly string[] = []): TaskFile {
    const located = parseLocatedYaml(readConfigText(path), path, { version, tags });
    const { value } = located;
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new InputError(`${path}: a task is a mapping of keys; this file has none.`);
    return new TaskFile(path, located, { ...value });
  }

  /** "<file>:<line>" */
  lineOf(path: readonly PropertyKey[]): string {
    return `${this.path}:${this.#located.lineOf(path)}`;
  }

  placeOf(...key: readonly PropertyKey[]): string {
    const path = pathOf(key);
    return `${this.lineOf(path)}: ${path.map(String).join('.')}`;
  }

  fault(key: readonly PropertyKey[], problem: string): InputError {
    return new InputError(`${this.placeOf(...key)}: ${problem}`);
  }

  /** @throws InputError that names file, line and key of every problem, and the nearest known key */
  check<Schema extends z.ZodType>(schema: Schema): z.output<Schema> {
    return parseConfig(schema, this.content, { source: this.path, placeOf: (path) => this.lineOf(path) });
  }
}

/** The parts of a key. */
export function pathOf(key: readonly PropertyKey[]): PropertyKey[] {
  return key.flatMap((part): PropertyKey[] => (typeof part === 'string' ? part.split('.') : [part]));
}
