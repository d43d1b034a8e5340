/** Several datasets as one: the rows of all, in their order. */
import { resolve } from 'node:path';
import { InputError } from '../../errors/index.js';
import type { Row } from '../rows.js';
import { BareMindRecord } from './bare-mindrecord.js';
import type { Dataset } from './dataset.js';
import { checkAgreement } from './dataset-agreement.js';
import { FolderDataset } from './folder-dataset.js';
import type { PackedRow, RowOrigin } from './row.js';

export class JoinedDataset implements Dataset {
  readonly path: string;
  readonly parts: readonly Dataset[];
  readonly index = undefined;
  readonly hasDocuments: boolean;
  readonly rowCount: number;
  readonly rowLength: number;
  readonly phases: readonly number[];
  /** Row that each part begins with. */
  readonly #firstRows: readonly number[];

  /**
   * @param path what names them together in messages
   * @param datasets those that are joined themselves count as their parts
   * @throws InputError for one dataset twice, and for datasets of several kinds: with an index and without, other columns,
   *   recipes, tokenizers
   */
  constructor(path: string, datasets: readonly Dataset[]) {
    const parts = datasets.flatMap((dataset) => dataset.parts ?? [dataset]);
    checkParts(parts);
    this.path = path;
    this.parts = parts;
    this.hasDocuments = parts.every(({ hasDocuments }) => hasDocuments);
    let rows = 0;
    this.#firstRows = parts.map(({ rowCount }) => {
      rows += rowCount;
      return rows - rowCount;
    });
    this.rowCount = rows;
    this.rowLength = Math.max(...parts.map(({ rowLength }) => rowLength));
    this.phases = [rows];
  }

  row(row: number): PackedRow {
    const { part, within } = this.#locate(row);
    return part.row(within);
  }

  async read(row: number): Promise<Row> {
    const { part, within } = this.#locate(row);
    return part.read(within);
  }

  origins(row: number): RowOrigin[] {
    const { part, within } = this.#locate(row);
    return part.origins(within);
  }

  close(): void {
    for (const part of this.parts) part.close();
  }

  #locate(row: number): { readonly part: Dataset; readonly within: number } {
    const number = this.#firstRows.findLastIndex((first) => first <= row);
    const part = this.parts[number];
    if (part === undefined || !Number.isInteger(row) || row >= this.rowCount)
      throw new RangeError(`row ${row} of ${this.rowCount}`);
    return { part, within: row - (this.#firstRows[number] ?? 0) };
  }
}

function checkParts(parts: readonly Dataset[]): void {
  const paths = new Set<string>();
  for (const { path } of parts) {
    if (paths.has(resolve(path))) throw new InputError(`${path} is given twice; name each dataset once.`);
    paths.add(resolve(path));
  }
  const prepared = parts.filter((part) => part instanceof FolderDataset);
  const bare = parts.filter((part) => part instanceof BareMindRecord);
  const [firstPrepared] = prepared;
  const [firstBare] = bare;
  if (firstPrepared !== undefined && firstBare !== undefined)
    throw new InputError(
      `${firstPrepared.path} was made by xinghe data prepare and ${firstBare.path} was not; only datasets of one kind can be joined.`,
    );
  checkAgreement(prepared);
  checkColumns(bare);
  const curriculum = prepared.find(({ phases }) => phases.length > 1);
  if (curriculum !== undefined)
    throw new InputError(
      `${curriculum.path} has a curriculum of ${curriculum.phases.length} phases, which would be lost; join such datasets with ` +
        'xinghe data merge.',
    );
}

/** Otherwise one set would be learned whole and another by its mask. */
function checkColumns([first, ...others]: readonly BareMindRecord[]): void {
  if (first === undefined) return;
  for (const other of others) {
    const [without, column] = difference(first, other) ?? difference(other, first) ?? [];
    if (without !== undefined)
      throw new InputError(
        `${first.path} and ${other.path} have different columns: ${without.path} has no ${column}; only sets of the same ` +
          'columns can be joined.',
      );
  }
}

/** A column of the one that the other has not. */
function difference(
  one: BareMindRecord,
  other: BareMindRecord,
): [without: BareMindRecord, column: string] | undefined {
  const column = one.columns.find((name) => !other.columns.includes(name));
  return column === undefined ? undefined : [other, column];
}
