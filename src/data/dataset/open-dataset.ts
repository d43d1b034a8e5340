/** Random access to prepared rows. */
import { basename, join } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus, listFolder, openMindRecord } from '../../formats/index.js';
import type { Row, RowSource } from '../rows.js';
import { type DatasetIndex, INDEX_FILE, type RowsFileEntry, readDatasetIndex } from './dataset-index.js';
import { MindRecordRows } from './mindrecord-rows.js';
import { NO_DOCUMENT, type PackedRow, type RowOrigin } from './row.js';
import { OriginsFile, RowsFile } from './rows-file.js';
import type { RowDocument } from './rows-tensors.js';

export interface Dataset extends RowSource {
  /** Ids in a row, padding included; of a file without our index the most in one of its first thousand rows. */
  readonly rowLength: number;
  /** Do its files tell where the documents of a row begin? */
  readonly hasDocuments: boolean;
  /** What the rows were made from; undefined for files that come without our index. */
  readonly index: DatasetIndex | undefined;
  /** Rows of each phase of the curriculum, one number if there is none. */
  readonly phases: readonly number[];
  /** A row to look at. @throws RangeError for a row that is not there */
  row(row: number): PackedRow;
  /** A row to train on, read while the caller goes on. */
  read(row: number): Promise<Row>;
  /** The documents of a row; empty without our index. */
  origins(row: number): RowOrigin[];
  close(): void;
}

/** Beside x.mindrecord: the folder with its index, origins and report. */
export const SIDE_FOLDER_SUFFIX = '.info';

/**
 * Opens what `prepareDataset` wrote, or any MindRecord file with a column input_ids. Every row costs the same few reads,
 * however many there are; nothing is held.
 * @throws InputError for a path that is no dataset, and for files that do not belong to its index
 */
export function openDataset(path: string): Dataset {
  const status = fileStatus(path);
  if (status === undefined) throw new InputError(`${path} does not exist; check the path.`);
  if (status.isDirectory()) {
    if (fileStatus(join(path, INDEX_FILE)) !== undefined) return new FolderDataset(path);
    const file = mindRecordOfFolder(path);
    if (file !== undefined) return openDataset(file);
    throw new InputError(
      `${path} is no prepared dataset: it has no ${INDEX_FILE}; make one with xinghe data prepare.`,
    );
  }
  const side = path + SIDE_FOLDER_SUFFIX;
  return fileStatus(join(side, INDEX_FILE)) === undefined
    ? new BareMindRecord(path)
    : new FolderDataset(side);
}

/** Of MindRecord shards: x.mindrecord, or x.mindrecord0, x.mindrecord1, … */
const SHARD_NAME = /\.mindrecord\d*$/;

/** The first shard of the one MindRecord set in a folder; undefined if it holds none. @throws InputError for several sets */
function mindRecordOfFolder(folder: string): string | undefined {
  const sets = new Map<string, string>();
  for (const name of listFolder(folder).filter((entry) => SHARD_NAME.test(entry))) {
    const { paths } = openMindRecord(join(folder, name));
    const [first = name] = paths;
    sets.set(first, first);
  }
  const [first, second] = sets.keys();
  if (second === undefined) return first;
  throw new InputError(
    `${folder} holds ${sets.size} MindRecord sets (${basename(first ?? '')}, ${basename(second)}, …); name the file of one.`,
  );
}

/** One file of a dataset, open. */
interface OpenFile {
  /** false: the mask is 1 everywhere, in the padding too. */
  readonly hasMask: boolean;
  row(row: number): PackedRow;
  /** What training takes of a row; the mask as it is in the file. */
  read(row: number): Promise<{ readonly ids: Int32Array; readonly lossMask: Uint8Array }>;
  documents(row: number): RowDocument[];
  documentLengths(row: number): Promise<number[]>;
  close(): void;
}

/** A folder with our index. */
export class FolderDataset implements Dataset {
  readonly path: string;
  readonly hasDocuments = true;
  readonly index: DatasetIndex;
  /** Row that each file begins with. */
  readonly #firstRows: readonly number[];
  readonly #open = new Map<RowsFileEntry, OpenFile>();
  #isClosed = false;

  constructor(path: string) {
    this.path = path;
    this.index = readDatasetIndex(path);
    let next = 0;
    this.#firstRows = this.index.files.map(({ rows }) => {
      next += rows;
      return next - rows;
    });
  }

  get rowCount(): number {
    return this.index.rows;
  }

  get rowLength(): number {
    return this.index.row_length;
  }

  get phases(): readonly number[] {
    const rows = new Array<number>(1 + Math.max(0, ...this.index.files.map(({ phase }) => phase))).fill(0);
    for (const file of this.index.files) rows[file.phase]! += file.rows;
    return rows;
  }

  row(row: number): PackedRow {
    const { file, within } = this.#locate(row);
    const { ids, lossMask } = file.row(within);
    const documentIds = new Int32Array(ids.length).fill(NO_DOCUMENT);
    for (const [number, { position, tokens }] of file.documents(within).entries())
      documentIds.fill(number, position, position + tokens);
    if (!file.hasMask)
      for (const [location, id] of documentIds.entries()) if (id === NO_DOCUMENT) lossMask[location] = 0;
    return { ids, lossMask, documentIds };
  }

  async read(row: number): Promise<Row> {
    const { file, within } = this.#locate(row);
    if (!file.hasMask) {
      const { ids, lossMask } = this.row(row);
      return { ids, lossMask, documents: await file.documentLengths(within) };
    }
    const [{ ids, lossMask }, documents] = await Promise.all([
      file.read(within),
      file.documentLengths(within),
    ]);
    return { ids, lossMask, documents };
  }

  origins(row: number): RowOrigin[] {
    return this.documents(row).map(({ file, ...location }) => ({
      file: this.index.sources[file]?.path ?? `file ${file}`,
      ...location,
    }));
  }

  /** The documents of a row; their files are numbers in the index's `sources`. */
  documents(row: number): RowDocument[] {
    const { entry, file, within } = this.#locate(row);
    return file
      .documents(within)
      .map((document) => ({ ...document, file: entry.first_source + document.file }));
  }

  close(): void {
    this.#isClosed = true;
    for (const file of this.#open.values()) file.close();
    this.#open.clear();
  }

  #locate(row: number): { entry: RowsFileEntry; file: OpenFile; within: number } {
    if (this.#isClosed) throw new RangeError(`${this.path} is closed`);
    if (!Number.isInteger(row) || row < 0 || row >= this.rowCount)
      throw new RangeError(`row ${row} of ${this.rowCount}`);
    let low = 0;
    let high = this.#firstRows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#firstRows[middle]! <= row) low = middle;
      else high = middle - 1;
    }
    const entry = this.index.files[low]!;
    let file = this.#open.get(entry);
    if (file === undefined) {
      file = this.#openFile(entry);
      this.#open.set(entry, file);
    }
    return { entry, file, within: row - this.#firstRows[low]! };
  }

  #openFile(entry: RowsFileEntry): OpenFile {
    const path = join(this.path, entry.name);
    const originsPath = join(this.path, entry.origins);
    switch (this.index.container) {
      case 'safetensors':
        return openSafetensorsRows(path, originsPath, entry.rows, this.rowLength);
      case 'mindrecord':
        return openMindRecordRows(path, originsPath, entry.rows, this.rowLength);
    }
  }
}

function openSafetensorsRows(path: string, originsPath: string, count: number, rowLength: number): OpenFile {
  const rows = new RowsFile(path, count, rowLength);
  const origins = new OriginsFile(originsPath, count);
  return {
    hasMask: true,
    row: (row) => rows.row(row),
    read: (row) => rows.read(row),
    documents: (row) => origins.documents(row),
    documentLengths: (row) => origins.documentLengths(row, rowLength),
    close: () => {
      rows.close();
      origins.close();
    },
  };
}

function openMindRecordRows(path: string, originsPath: string, count: number, rowLength: number): OpenFile {
  const rows = new MindRecordRows(path);
  if (rows.rowCount !== count)
    throw new InputError(
      `${path} has ${rows.rowCount} rows, its index says ${count}; prepare the data again.`,
    );
  const origins = new OriginsFile(originsPath, count);
  const read = (row: number): PackedRow => {
    const packed = rows.row(row);
    if (packed.ids.length === rowLength) return packed;
    throw new InputError(
      `${path}, row ${row}: ${packed.ids.length} ids, its index says ${rowLength}; prepare the data again.`,
    );
  };
  return {
    hasMask: rows.hasMask,
    row: read,
    // Pages of many rows are read and kept by the reader of MindRecord.
    read: async (row) => read(row),
    documents: (row) => origins.documents(row),
    documentLengths: (row) => origins.documentLengths(row, rowLength),
    close: () => origins.close(),
  };
}

/** Of a file without our index, looked at for the longest row. */
const ROWS_LOOKED_AT = 1000;

/** A MindRecord file of another program. */
class BareMindRecord implements Dataset {
  readonly path: string;
  readonly hasDocuments = false;
  readonly rowLength: number;
  readonly index = undefined;
  readonly #rows: MindRecordRows;

  constructor(path: string) {
    this.path = path;
    this.#rows = new MindRecordRows(path);
    let longest = 0;
    for (let row = 0; row < Math.min(this.rowCount, ROWS_LOOKED_AT); row++)
      longest = Math.max(longest, this.#rows.row(row).ids.length);
    this.rowLength = longest;
  }

  get rowCount(): number {
    return this.#rows.rowCount;
  }

  get phases(): readonly number[] {
    return [this.rowCount];
  }

  row(row: number): PackedRow {
    return this.#rows.row(row);
  }

  async read(row: number): Promise<Row> {
    const { ids, lossMask } = this.#rows.row(row);
    return { ids, lossMask };
  }

  origins(): RowOrigin[] {
    return [];
  }

  close(): void {}
}
