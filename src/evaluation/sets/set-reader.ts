/** Reads the files of one evaluation set: which there are, their rows in their places, and what is wrong with them. */

import { basename, join } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus, listFolder, type RecordFault, readRecords, sha256OfFile } from '../../formats/index.js';
import { fieldOf } from '../../json/index.js';
import type { Problems } from '../problems.js';

export interface SetFile {
  /** Below the folder of the set, with "/". */
  readonly path: string;
  /** Without folders and endings. */
  readonly stem: string;
  /** The folders above it within the set, outermost first. */
  readonly folders: readonly string[];
  /** Where it lies, for one outside of the folder of the set; `path` is then its name alone. */
  readonly location?: string;
}

export interface Row {
  /** From 0, its place in the file: rows that cannot be read count. */
  readonly index: number;
  /** For messages: "…/anatomy_test.csv:3". */
  readonly source: string;
  readonly value: unknown;
}

const ENDINGS = /\.(csv|tsv|jsonl?|ndjson|parquet)(\.gz)?$/i;

export class SetReader {
  /** Where the set lies. */
  readonly folder: string;
  readonly problems: Problems;
  readonly #task: string;
  readonly #root: string;
  readonly #hashes = new Map<string, string>();

  /** @throws InputError where there is no such folder */
  constructor(task: string, root: string, folder: string, problems: Problems) {
    this.#task = task;
    this.#root = root;
    this.folder = join(root, folder);
    this.problems = problems;
    if (fileStatus(root)?.isDirectory() !== true)
      throw new InputError(
        `--data ${root} is no folder; give the one that holds a folder for each set (${folder}/, …).`,
      );
    if (fileStatus(this.folder)?.isDirectory() !== true)
      throw new InputError(
        `${task}: there is no folder ${this.folder}; the files of the set belong there. ${root} holds ` +
          `${listFolder(root).slice(0, 20).join(', ') || 'nothing'}.`,
      );
  }

  get task(): string {
    return this.#task;
  }

  /** Files of rows below the folder, in order of their paths; hidden ones are not looked at. */
  files(): SetFile[] {
    return filesBelow(this.folder);
  }

  /** A file of the set, or beside the sets, for prompts; undefined where none is there. @param places below the root */
  find(...places: readonly string[]): string | undefined {
    return places.map((place) => join(this.#root, place)).find((path) => fileStatus(path)?.isFile() === true);
  }

  /** The path of a file, which from then on belongs to what was read. @param location as of a SetFile */
  use(path: string, location?: string): string {
    const whole = location ?? (path.startsWith(this.#root) ? path : join(this.folder, path));
    const name = location === undefined ? whole.slice(this.#root.length).replace(/^[/\\]+/, '') : path;
    if (!this.#hashes.has(name)) this.#hashes.set(name, sha256OfFile(whole));
    return whole;
  }

  /** SHA-256 of every file that was read, by its path below the root. */
  get hashes(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#hashes].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /**
   * The rows of a file in order; CSV rows are lists of fields, the first row too. A row that cannot be read keeps its place and
   * is counted. @throws InputError for a file in which later rows cannot be told from each other, or that is cut off
   */
  async rows(file: SetFile): Promise<Row[]> {
    const path = this.use(file.path, file.location);
    const rows: Row[] = [];
    let index = 0;
    const onFault = (fault: RecordFault): void => {
      if (LOSES_PLACES.has(fault.reason)) throw fault;
      this.problems.add(fault.reason, `${file.stem}/${index}`, fault.message);
      index += 1;
    };
    for await (const { line, value } of readRecords(path, { csvHeader: false, onFault })) {
      rows.push({ index, source: `${path}:${line}`, value });
      index += 1;
    }
    return rows;
  }

  /** The one JSON value of a file. */
  async whole(file: SetFile): Promise<unknown> {
    const path = this.use(file.path, file.location);
    for await (const { value } of readRecords(path, { format: 'json' })) return value;
    throw new InputError(`${path} is empty; fetch it again.`);
  }

  /** What `read` makes of each row; a row that it refuses is counted and left out. */
  readEach<Item, Own extends Row>(rows: readonly Own[], file: SetFile, read: (row: Own) => Item): Item[] {
    return rows.flatMap((row) => {
      try {
        return [read(row)];
      } catch (error) {
        if (!(error instanceof RowFault)) throw error;
        this.problems.add(error.reason, `${file.stem}/${row.index}`, `${row.source}: ${error.message}`);
        return [];
      }
    });
  }

  /** @throws InputError always: nothing here is of the set's form */
  refuse(expected: string): never {
    const found = this.files()
      .slice(0, 10)
      .map(({ path }) => path);
    throw new InputError(
      `${this.#task}: ${this.folder} holds no ${expected}; found ${found.length === 0 ? 'no file of rows' : found.join(', ')}.`,
    );
  }
}

/** Files of rows, in order of their paths; hidden ones are not looked at. @param folders below `folder`, where to begin */
export function filesBelow(folder: string, folders: readonly string[] = []): SetFile[] {
  const here = join(folder, ...folders);
  return listFolder(here).flatMap((name): SetFile[] => {
    if (name.startsWith('.') || name.startsWith('__')) return [];
    if (fileStatus(join(here, name))?.isDirectory() === true) return filesBelow(folder, [...folders, name]);
    if (!ENDINGS.test(name)) return [];
    return [{ path: [...folders, name].join('/'), stem: name.replace(ENDINGS, ''), folders }];
  });
}

/** Behind such a fault nobody knows how many rows were lost: ids would shift. */
const LOSES_PLACES: ReadonlySet<string> = new Set([
  'not valid CSV',
  'damaged file',
  'empty file',
  'too long',
]);

/** One row that is not as its set has them. */
export class RowFault extends InputError {
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** The text under a key of a record. @throws RowFault */
export function textOf(record: unknown, key: string): string {
  const value = fieldOf(record, key);
  if (typeof value === 'string') return value;
  throw new RowFault(
    value === undefined ? 'missing field' : 'wrong field',
    `"${key}" is ${value === undefined ? 'missing' : JSON.stringify(value)}; a text is needed.`,
  );
}

/** A list of texts under a key. @throws RowFault */
export function textsOf(record: unknown, key: string): string[] {
  const value = fieldOf(record, key);
  if (Array.isArray(value) && value.every((each): each is string => typeof each === 'string')) return value;
  throw new RowFault(
    value === undefined ? 'missing field' : 'wrong field',
    `"${key}" is ${value === undefined ? 'missing' : JSON.stringify(value)}; a list of texts is needed.`,
  );
}

/** The stem of a file name. */
export function stemOf(path: string): string {
  return basename(path).replace(ENDINGS, '');
}
