/** Prepared rows, any of them at any time. */
import { join } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus } from '../../formats/index.js';
import { type DatasetIndex, INDEX_FILE, type RowsFileEntry, readDatasetIndex } from './dataset-index.js';
import type { PackedRow, RowOrigin } from './row.js';
import { OriginsFile, RowsFile } from './rows-file.js';

export interface Dataset {
  readonly path: string;
  readonly rowCount: number;
  /** Ids in a row, padding included. */
  readonly rowLength: number;
  /** What the rows were made from; undefined for files that come without our index. */
  readonly index: DatasetIndex | undefined;
  /** Rows of each phase of the curriculum, one number if there is none. */
  readonly phases: readonly number[];
  /** @throws RangeError for a row that is not there */
  row(row: number): PackedRow;
  /** The documents of a row; empty without our index. */
  origins(row: number): RowOrigin[];
  close(): void;
}

/**
 * Opens what `prepareDataset` wrote. Every row costs the same few reads, however many there are; nothing is held.
 * @throws InputError for a path that is no dataset, and for files that do not belong to its index
 */
export function openDataset(path: string): Dataset {
  const status = fileStatus(path);
  if (status === undefined) throw new InputError(`${path} does not exist; check the path.`);
  if (!status.isDirectory() || fileStatus(join(path, INDEX_FILE)) === undefined)
    throw new InputError(
      `${path} is no prepared dataset: it has no ${INDEX_FILE}; make one with xinghe data prepare.`,
    );
  return new FolderDataset(path, readDatasetIndex(path));
}

class FolderDataset implements Dataset {
  readonly path: string;
  readonly index: DatasetIndex;
  /** Row that each file begins with. */
  readonly #firstRows: readonly number[];
  readonly #rowsFiles = new Map<RowsFileEntry, RowsFile>();
  readonly #originsFiles = new Map<RowsFileEntry, OriginsFile>();

  constructor(path: string, index: DatasetIndex) {
    this.path = path;
    this.index = index;
    let first = 0;
    this.#firstRows = index.files.map(({ rows }) => {
      first += rows;
      return first - rows;
    });
  }

  get rowCount(): number {
    return this.index.rows;
  }

  get rowLength(): number {
    return this.index.row_length;
  }

  get phases(): readonly number[] {
    const rows: number[] = [];
    for (const file of this.index.files) rows[file.phase] = (rows[file.phase] ?? 0) + file.rows;
    return Array.from(rows, (count) => count ?? 0);
  }

  row(row: number): PackedRow {
    const { entry, within } = this.#locate(row);
    let file = this.#rowsFiles.get(entry);
    if (file === undefined) {
      file = new RowsFile(join(this.path, entry.name), entry.rows, this.rowLength);
      this.#rowsFiles.set(entry, file);
    }
    return file.row(within);
  }

  origins(row: number): RowOrigin[] {
    const { entry, within } = this.#locate(row);
    let file = this.#originsFiles.get(entry);
    if (file === undefined) {
      file = new OriginsFile(join(this.path, entry.origins), entry.rows);
      this.#originsFiles.set(entry, file);
    }
    return file.documents(within).map(({ file: number, ...place }) => ({
      file: this.index.sources[entry.first_source + number]?.path ?? `file ${number}`,
      ...place,
    }));
  }

  close(): void {
    for (const file of [...this.#rowsFiles.values(), ...this.#originsFiles.values()]) file.close();
    this.#rowsFiles.clear();
    this.#originsFiles.clear();
  }

  #locate(row: number): { entry: RowsFileEntry; within: number } {
    if (!Number.isInteger(row) || row < 0 || row >= this.rowCount)
      throw new RangeError(`row ${row} of ${this.rowCount}`);
    let low = 0;
    let high = this.#firstRows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#firstRows[middle]! <= row) low = middle;
      else high = middle - 1;
    }
    return { entry: this.index.files[low]!, within: row - this.#firstRows[low]! };
  }
}
