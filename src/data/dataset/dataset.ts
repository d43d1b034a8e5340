/** Prepared rows, any of them at any time. */
import type { Row, RowSource } from '../rows.js';
import type { DatasetIndex } from './dataset-index.js';
import type { PackedRow, RowOrigin } from './row.js';

export interface Dataset extends RowSource {
  /** Ids in a row, padding included; of a file without our index the most in one of its first thousand rows. */
  readonly rowLength: number;
  /** Do its files tell where the documents of a row begin? */
  readonly hasDocuments: boolean;
  /** What the rows were made from; undefined for files that come without our index, and for several datasets together. */
  readonly index: DatasetIndex | undefined;
  /** The datasets whose rows these are, in order; undefined for one alone. */
  readonly parts?: readonly Dataset[] | undefined;
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
