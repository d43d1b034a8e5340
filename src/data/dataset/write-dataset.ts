/** A folder of rows: files of bounded size, and the index beside them. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic, writeSafetensors } from '../../formats/index.js';
import { createIndex, type DatasetIndex, INDEX_FILE, type RowsFileEntry } from './dataset-index.js';
import { MINDRECORD_SUFFIX, writeMindRecordRows } from './mindrecord-rows.js';
import { originTensors, type RowsToWrite, rowTensors } from './rows-tensors.js';

/** Bytes of rows in one file: few files, and each is copied or sent in one go. */
const FILE_BYTES = 2 ** 29;
/** Of one id: int32 id, uint8 mask. */
const BYTES_PER_ID = 5;

export interface WriteDatasetOptions {
  /** Rows of each phase, in order. */
  readonly phases: readonly RowsToWrite[];
  /** Everything of the index but what is known from the rows. */
  readonly describe: Omit<
    DatasetIndex,
    'format' | 'version' | 'rows' | 'tokens' | 'learned_tokens' | 'files'
  >;
  /** Name of a MindRecord file. Default: as Spark's programs call it. */
  readonly fileName?: string | undefined;
  /** Largest bytes of rows in one safetensors file. Default 512 MiB; one row at least. */
  readonly fileBytes?: number | undefined;
  /** Hears how many rows are written, after each file. */
  readonly onProgress?: ((rows: number) => Promise<void>) | undefined;
}

/** Fills a folder, which is made if it is not there. */
export async function writeDataset(folder: string, options: WriteDatasetOptions): Promise<DatasetIndex> {
  mkdirSync(folder, { recursive: true });
  const { describe, phases } = options;
  const { files, learned } =
    describe.container === 'safetensors'
      ? await writeSafetensorsFiles(folder, options)
      : await writeMindRecordFiles(folder, options);
  const index = createIndex({
    ...describe,
    rows: files.reduce((sum, file) => sum + file.rows, 0),
    tokens: countTokens(phases),
    learned_tokens: learned,
    files,
  });
  writeIndex(folder, index);
  return index;
}

export function writeIndex(folder: string, index: DatasetIndex): void {
  writeFileAtomic(join(folder, INDEX_FILE), `${JSON.stringify(index, null, 2)}\n`);
}

/** "rows-00001-of-00003.safetensors" */
export function rowsFileName(number: number, count: number): string {
  const digits = (value: number): string => String(value).padStart(5, '0');
  return `rows-${digits(number + 1)}-of-${digits(count)}.safetensors`;
}

interface WrittenFiles {
  readonly files: RowsFileEntry[];
  readonly learned: number;
}

async function writeSafetensorsFiles(folder: string, options: WriteDatasetOptions): Promise<WrittenFiles> {
  const parts = fileParts(options);
  const files: RowsFileEntry[] = [];
  let rows = 0;
  let learned = 0;
  for (const [number, { source, phase, first, end }] of parts.entries()) {
    const name = rowsFileName(number, parts.length);
    const tensors = rowTensors(source, first, end, (count) => {
      learned += count;
    });
    writeSafetensors(join(folder, name), [...tensors, ...originTensors(source, first, end)]);
    files.push({ name, origins: name, rows: end - first, phase, first_source: 0 });
    rows += end - first;
    await options.onProgress?.(rows);
  }
  return { files, learned };
}

/** Published programs read one file; a curriculum has one for each phase. */
async function writeMindRecordFiles(folder: string, options: WriteDatasetOptions): Promise<WrittenFiles> {
  const { phases, describe, onProgress } = options;
  const { fileName = describe.kind === 'pretrain' ? 'train_dataset.mindrecord' : 'dataset.mindrecord' } =
    options;
  const stem = fileName.slice(0, -MINDRECORD_SUFFIX.length);
  const files: RowsFileEntry[] = [];
  let rows = 0;
  let learned = 0;
  for (const [phase, source] of phases.entries()) {
    if (source.rowCount === 0) continue;
    const name = phases.length === 1 ? stem : `${stem}-phase-${phase + 1}`;
    const entry: RowsFileEntry = {
      name: `${name}${MINDRECORD_SUFFIX}`,
      origins: `${name}.origins.safetensors`,
      rows: source.rowCount,
      phase,
      first_source: 0,
    };
    learned += await writeMindRecordRows(join(folder, entry.name), source, describe.kind);
    writeSafetensors(join(folder, entry.origins), originTensors(source, 0, source.rowCount));
    files.push(entry);
    rows += source.rowCount;
    await onProgress?.(rows);
  }
  return { files, learned };
}

/** A span of one phase's rows that goes to one file. */
interface FilePart {
  readonly source: RowsToWrite;
  readonly phase: number;
  readonly first: number;
  readonly end: number;
}

/** No file spans phases, so that files can be put in another order. */
function fileParts({ phases, fileBytes = FILE_BYTES }: WriteDatasetOptions): FilePart[] {
  return phases.flatMap((source, phase) => {
    const rows = Math.max(1, Math.floor(fileBytes / (BYTES_PER_ID * source.rowLength)));
    const parts: FilePart[] = [];
    for (let first = 0; first < source.rowCount; first += rows)
      parts.push({ source, phase, first, end: Math.min(first + rows, source.rowCount) });
    return parts;
  });
}

function countTokens(phases: readonly RowsToWrite[]): number {
  let count = 0;
  for (const source of phases)
    for (let row = 0; row < source.rowCount; row++)
      for (const { tokens } of source.documents(row)) count += tokens;
  return count;
}
