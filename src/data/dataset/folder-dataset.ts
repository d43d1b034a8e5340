/** What `xinghe data prepare` wrote, by its index. */
import { join } from 'node:path';
import { InputError } from '../../errors/index.js';
import type { Row } from '../rows.js';
import type { Dataset } from './dataset.js';
import { type DatasetIndex, type RowsFileEntry, readDatasetIndex } from './dataset-index.js';
import { MindRecordRows } from './mindrecord-rows.js';
import { NO_DOCUMENT, type PackedRow, type RowOrigin } from './row.js';
import { OriginsFile, RowsFile } from './rows-file.js';
import type { RowDocument } from './rows-tensors.js';

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
      for (const [place, id] of documentIds.entries()) if (id === NO_DOCUMENT) lossMask[place] = 0;
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
    return this.documents(row).map(({ file, ...place }) => ({
      file: this.index.sources[file]?.path ?? `file ${file}`,
      ...place,
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
