/** A MindRecord set that has no index of ours. */
import type { Row } from '../rows.js';
import type { Dataset } from './dataset.js';
import { MindRecordRows } from './mindrecord-rows.js';
import type { PackedRow, RowOrigin } from './row.js';

/** Of a file without our index, looked at for the longest row. */
const ROWS_LOOKED_AT = 1000;

/** A MindRecord set of another program. */
export class BareMindRecord implements Dataset {
  readonly path: string;
  readonly hasDocuments = false;
  readonly rowLength: number;
  readonly index = undefined;
  /** Names of all its columns. */
  readonly columns: readonly string[];
  readonly #rows: MindRecordRows;

  constructor(path: string) {
    this.path = path;
    this.#rows = new MindRecordRows(path);
    this.columns = this.#rows.columns;
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
