/** The items of evaluation sets in any file form: all texts of each record. */
import { readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus, readRecords } from '../../formats/index.js';
import { isRecord } from '../forms/index.js';
import type { SampleOrigin } from '../sample.js';

export interface EvaluationItem {
  /** The record; of a list inside one JSON document, the document with `number`. */
  readonly origin: SampleOrigin;
  /** From 1, in the document's list. */
  readonly number?: number;
  /** Every text in it, in order. */
  readonly texts: readonly string[];
}

/** "file:line", with the number in the document's list. */
export function itemLocation({ origin, number }: EvaluationItem): string {
  return `${origin.file}:${origin.line}${number === undefined ? '' : ` item ${number}`}`;
}

const DATA_FILE = /\.(jsonl|ndjson|json|csv|tsv|parquet|txt)(\.gz)?$/i;

/** The data files of a folder (with its subfolders, by name), or the file itself. @throws InputError if there are none */
export function evaluationFiles(path: string): string[] {
  const status = fileStatus(path);
  if (status === undefined)
    throw new InputError(`${path} does not exist; name the file or folder of an evaluation set.`);
  if (!status.isDirectory()) return [path];
  const files = dataFiles(path);
  if (files.length > 0) return files;
  throw new InputError(
    `${path} has no data files (.jsonl, .json, .csv, .tsv, .parquet, .txt, also with .gz).`,
  );
}

function dataFiles(folder: string): string[] {
  return readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const path = join(folder, name);
      if (statSync(path).isDirectory()) return dataFiles(path);
      return DATA_FILE.test(basename(name)) ? [path] : [];
    });
}

/** The items of a file. @throws InputError with file and line for a faulty one */
export async function* readItems(file: string): AsyncGenerator<EvaluationItem, void> {
  for await (const { line, value } of readRecords(file)) {
    const origin = { file, line };
    const list = innerList(value);
    if (list === undefined) yield { origin, texts: [...textsOf(value)] };
    else
      for (const [index, item] of list.entries())
        yield { origin, number: index + 1, texts: [...textsOf(item)] };
  }
}

/** The items of a set that is one document, as {"examples": [{…}, …]}: its only list of two or more objects. */
function innerList(value: unknown): readonly unknown[] | undefined {
  if (!isRecord(value)) return undefined;
  const lists = Object.values(value).filter(
    (field): field is unknown[] => Array.isArray(field) && field.length > 1 && field.every(isRecord),
  );
  return lists.length === 1 ? lists[0] : undefined;
}

/** Depth is that of JSON.parse, which stands it. */
function* textsOf(value: unknown): Generator<string, void> {
  const open: unknown[] = [value];
  while (open.length > 0) {
    const next = open.pop();
    if (typeof next === 'string') yield next;
    else if (typeof next === 'object' && next !== null) open.push(...Object.values(next).reverse());
  }
}
