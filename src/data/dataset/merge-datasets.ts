/** Parts of a job array, or any datasets of one kind, as one dataset. */
import { appendFileSync, copyFileSync, linkSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus, readJsonLines, writeFileAtomic, writeFolderAtomic } from '../../formats/index.js';
import { countRows, type RowCounts } from '../report.js';
import { checkAgreement } from './dataset-agreement.js';
import { createIndex, type DatasetIndex, type RowsFileEntry, type SourceEntry } from './dataset-index.js';
import { FolderDataset } from './folder-dataset.js';
import { ID_BITS, LEARNED, type RowDocument, type RowsToWrite } from './rows-tensors.js';
import { rowsFileName, writeDataset, writeIndex } from './write-dataset.js';

export interface MergeReport {
  readonly parts: readonly {
    readonly path: string;
    readonly shard: string | undefined;
    readonly rows: number;
  }[];
  readonly train: RowCounts;
  readonly validation: RowCounts | undefined;
  /** Distinct records in skipped.jsonl. */
  readonly skipped: number;
}

const SKIPPED_FILE = 'skipped.jsonl';
const VALIDATION_FOLDER = 'validation';

/**
 * Rows stay as they are: safetensors files are linked (copied between disks) under new names, MindRecord rows copied into
 * one file. Parts come in the order of their shards, phases of a curriculum before parts.
 * @param parts dataset folders
 * @throws InputError for parts of different recipes, tokenizers or lengths, and an incomplete job array
 */
export async function mergeDatasets(
  parts: readonly string[],
  output: string,
  options: { readonly overwrite?: boolean | undefined } = {},
): Promise<MergeReport> {
  if (parts.length < 2)
    throw new InputError(`${parts.length} dataset is nothing to merge; name two or more.`);
  const datasets = inShardOrder(parts.map((part) => new FolderDataset(part)));
  checkAgreement(datasets);
  const validations = openValidations(datasets);
  try {
    return await writeFolderAtomic(
      output,
      async (folder) => {
        const index = await mergeInto(folder, datasets);
        const validation =
          validations.length === 0
            ? undefined
            : await mergeInto(join(folder, VALIDATION_FOLDER), validations);
        const report: MergeReport = {
          parts: datasets.map(({ path, rowCount, index: { shard } }) => ({ path, shard, rows: rowCount })),
          train: countsOf(index),
          validation: validation === undefined ? undefined : countsOf(validation),
          skipped: mergeSkipped(folder, datasets),
        };
        writeFileAtomic(join(folder, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
        return report;
      },
      { replace: options.overwrite === true },
    );
  } finally {
    for (const dataset of [...datasets, ...validations]) dataset.close();
  }
}

/** @throws InputError for a job array that is not complete */
function inShardOrder(datasets: readonly FolderDataset[]): FolderDataset[] {
  const shards = datasets.map(({ index: { shard } }) => shard);
  if (shards.every((shard) => shard === undefined)) return [...datasets];
  const count = Number(shards.find((shard) => shard !== undefined)?.split('/')[1]);
  return Array.from({ length: count }, (_, number) => {
    const wanted = `${number + 1}/${count}`;
    const [found, another] = datasets.filter(({ index: { shard } }) => shard === wanted);
    if (found !== undefined && another === undefined && datasets.length === count) return found;
    const given = datasets.map(({ path, index: { shard } }) => `${path} (${shard ?? 'whole'})`).join(', ');
    throw new InputError(
      another === undefined
        ? `The job array of ${count} is not what was given, part ${wanted} first: ${given}. Name each part once.`
        : `Part ${wanted} is given twice: ${given}.`,
    );
  });
}

function openValidations(datasets: readonly FolderDataset[]): FolderDataset[] {
  return datasets.flatMap(({ path }) => {
    const folder = join(path, VALIDATION_FOLDER);
    return fileStatus(folder) === undefined ? [] : [new FolderDataset(folder)];
  });
}

async function mergeInto(folder: string, datasets: readonly FolderDataset[]): Promise<DatasetIndex> {
  const { sources, firstSources } = joinSources(datasets);
  const [first] = datasets;
  if (first === undefined) throw new RangeError('nothing to merge');
  const { shard: _, format: __, version: ___, ...describe } = first.index;
  if (first.index.container === 'mindrecord') {
    const phases = first.phases.map((_, phase) => new MergedRows(datasets, firstSources, phase));
    const fileName = phases.length === 1 ? first.index.files[0]?.name : undefined;
    return writeDataset(folder, { phases, describe: { ...describe, sources }, fileName });
  }
  const entries = datasets
    .flatMap((dataset, part) =>
      dataset.index.files.map((entry) => ({
        dataset,
        entry,
        first: firstSources[part]! + entry.first_source,
      })),
    )
    .sort((a, b) => a.entry.phase - b.entry.phase);
  mkdirSync(folder, { recursive: true });
  const files = entries.map(({ dataset, entry, first }, number): RowsFileEntry => {
    const name = rowsFileName(number, entries.length);
    linkOrCopy(join(dataset.path, entry.name), join(folder, name));
    return { ...entry, name, origins: name, first_source: first };
  });
  const index = createIndex({ ...describe, ...sumCounts(datasets), sources, files });
  writeIndex(folder, index);
  return index;
}

function sumCounts(
  datasets: readonly FolderDataset[],
): Pick<DatasetIndex, 'rows' | 'tokens' | 'learned_tokens'> {
  const sum = (key: 'rows' | 'tokens' | 'learned_tokens'): number =>
    datasets.reduce((total, { index }) => total + index[key], 0);
  return { rows: sum('rows'), tokens: sum('tokens'), learned_tokens: sum('learned_tokens') };
}

/** Lists that are equal, as those of a job array are, are taken once. */
function joinSources(datasets: readonly FolderDataset[]): { sources: SourceEntry[]; firstSources: number[] } {
  const sources: SourceEntry[] = [];
  const known = new Map<string, number>();
  const firstSources = datasets.map(({ index }) => {
    const key = JSON.stringify(index.sources);
    const first = known.get(key) ?? sources.length;
    if (!known.has(key)) sources.push(...index.sources);
    known.set(key, first);
    return first;
  });
  return { sources, firstSources };
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    // Another disk, or one without links.
    copyFileSync(from, to);
  }
}

/** The rows of one phase of all parts. */
class MergedRows implements RowsToWrite {
  readonly rowLength: number;
  readonly #rows: readonly {
    readonly dataset: FolderDataset;
    readonly firstSource: number;
    readonly first: number;
    readonly count: number;
  }[];

  constructor(datasets: readonly FolderDataset[], firstSources: readonly number[], phase: number) {
    this.rowLength = datasets[0]?.rowLength ?? 0;
    this.#rows = datasets.map((dataset, part) => ({
      dataset,
      firstSource: firstSources[part]!,
      first: dataset.phases.slice(0, phase).reduce((sum, rows) => sum + rows, 0),
      count: dataset.phases[phase] ?? 0,
    }));
  }

  get rowCount(): number {
    return this.#rows.reduce((sum, { count }) => sum + count, 0);
  }

  writeWords(row: number, target: Int32Array, at: number): void {
    const { dataset, index } = this.#locate(row);
    const { ids, lossMask } = dataset.row(index);
    for (const [position, id] of ids.entries())
      target[at + position] = lossMask[position] === 1 ? id | LEARNED : id & ID_BITS;
  }

  *documents(row: number): Generator<RowDocument> {
    const { dataset, index, firstSource } = this.#locate(row);
    for (const document of dataset.documents(index)) yield { ...document, file: firstSource + document.file };
  }

  #locate(row: number): { dataset: FolderDataset; index: number; firstSource: number } {
    let before = 0;
    for (const { dataset, first, count, firstSource } of this.#rows) {
      if (row < before + count) return { dataset, index: first + row - before, firstSource };
      before += count;
    }
    throw new RangeError(`row ${row} of ${before}`);
  }
}

/** Each machine of a job array lists what none of them reads; the merged file lists it once. */
function mergeSkipped(folder: string, datasets: readonly FolderDataset[]): number {
  const target = join(folder, SKIPPED_FILE);
  writeFileSync(target, '');
  const seen = new Set<string>();
  for (const { path } of datasets) {
    const file = join(path, SKIPPED_FILE);
    if (fileStatus(file) === undefined) continue;
    for (const { value } of readJsonLines(file)) {
      const text = `${JSON.stringify(value)}\n`;
      if (seen.has(text)) continue;
      seen.add(text);
      appendFileSync(target, text);
    }
  }
  return seen.size;
}

function countsOf({ rows, row_length, tokens, learned_tokens }: DatasetIndex): RowCounts {
  return countRows(rows, row_length, tokens, learned_tokens);
}
