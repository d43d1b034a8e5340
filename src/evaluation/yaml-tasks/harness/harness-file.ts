/** A task file of lm-evaluation-harness with what it includes, keys of its own before those of its bases. */
import { isAbsolute, join, resolve } from 'node:path';
import type { InputError } from '../../../errors/index.js';
import { fileStatus } from '../../../formats/index.js';
import { type KeyPlaces, pathOf, TaskFile } from '../task-file.js';
import { FUNCTION_TAG } from './harness-schema.js';

type Content = Readonly<Record<string, unknown>>;

export class HarnessFile implements KeyPlaces {
  /** All keys, included ones too. */
  readonly content: Content;
  readonly #file: TaskFile;
  /** Which file a key is from. */
  readonly #origins: ReadonlyMap<string, TaskFile>;

  constructor(file: TaskFile, content: Content, origins: ReadonlyMap<string, TaskFile>) {
    this.#file = file;
    this.content = content;
    this.#origins = origins;
  }

  /** @throws InputError for a file that is not there, faulty YAML, and files that include each other */
  static read(path: string): HarnessFile {
    return withIncludes(TaskFile.read(path, '1.1', [FUNCTION_TAG]), []);
  }

  get path(): string {
    return this.#file.path;
  }

  get folder(): string {
    return this.#file.folder;
  }

  /** The file and those of which keys are left. */
  get paths(): readonly string[] {
    return [...new Set([this.path, ...[...this.#origins.values()].map(({ path }) => path)])];
  }

  /** The same with other values of some keys, as a group gives them to its tasks; undefined: without the key. */
  with(content: Content): HarnessFile {
    const all = Object.entries({ ...this.content, ...content }).filter(([, value]) => value !== undefined);
    return new HarnessFile(this.#file, Object.fromEntries(all), this.#origins);
  }

  lineOf(path: readonly PropertyKey[]): string {
    return this.originOf(path[0] ?? '').lineOf(path);
  }

  placeOf(...key: readonly PropertyKey[]): string {
    return this.originOf(pathOf(key)[0] ?? '').placeOf(...key);
  }

  fault(key: readonly PropertyKey[], problem: string): InputError {
    return this.originOf(pathOf(key)[0] ?? '').fault(key, problem);
  }

  originOf(key: PropertyKey): TaskFile {
    return this.#origins.get(String(key)) ?? this.#file;
  }
}

/** @param above files that include this one */
function withIncludes(file: TaskFile, above: readonly string[]): HarnessFile {
  const { include, ...own } = file.content;
  const names: readonly unknown[] = include === undefined || include === null ? [] : [include].flat();
  let content: Content = {};
  const origins = new Map<string, TaskFile>();
  for (const name of names) {
    if (typeof name !== 'string')
      throw file.fault(['include'], `expected the path of a file, got ${JSON.stringify(name)}.`);
    const path = isAbsolute(name) ? name : join(file.folder, name);
    if ([...above, file.path].some((other) => resolve(other) === resolve(path)))
      throw file.fault(['include'], `${name} includes this file.`);
    if (fileStatus(path)?.isFile() !== true) throw file.fault(['include'], `there is no file ${path}.`);
    const base = withIncludes(TaskFile.read(path, '1.1', [FUNCTION_TAG]), [...above, file.path]);
    const { task_list: _, ...kept } = base.content;
    content = { ...content, ...kept };
    for (const key of Object.keys(kept)) origins.set(key, base.originOf(key));
  }
  for (const key of Object.keys(own)) origins.set(key, file);
  return new HarnessFile(file, { ...content, ...own }, origins);
}

/** Files of another program may lie there: is this one of the harness? */
export function isHarnessContent(content: Content): boolean {
  return ['task', 'group', 'include', 'dataset_path', 'output_type', 'doc_to_text'].some((key) =>
    Object.hasOwn(content, key),
  );
}
