/** The rows of a file as records, whatever its form. */
import { InputError } from '../../errors/index.js';
import type { Row, SetFile, SetReader } from '../sets/set-reader.js';
import type { RowRecord } from './row-field.js';

export interface RecordRow extends Omit<Row, 'value'> {
  readonly value: RowRecord;
}

export interface TableForm {
  /** Of CSV files without a header. */
  readonly columns?: readonly string[] | undefined;
  /** Columns of CSV files whose every field is a number or a truth value become such, and empty fields null. Default false. */
  readonly isTyped?: boolean;
}

/** @throws InputError for a CSV file without a header where one is needed; rows of another form are counted and left out */
export async function readTable(
  reader: SetReader,
  file: SetFile,
  form: TableForm = {},
): Promise<RecordRow[]> {
  const rows = await reader.rows(file);
  const isCsv = /\.[ct]sv(\.gz)?$/i.test(file.location ?? file.path);
  if (isCsv) return csvRecords(rows, file, reader, form);
  return rows.flatMap((row) => {
    const { value } = row;
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return [{ ...row, value: { ...value } }];
    reader.problems.add(
      'wrong form',
      `${file.stem}/${row.index}`,
      `${row.source}: a row is a mapping of columns.`,
    );
    return [];
  });
}

function csvRecords(
  rows: readonly Row[],
  file: SetFile,
  reader: SetReader,
  { columns, isTyped = false }: TableForm,
): RecordRow[] {
  const [first] = rows;
  if (first === undefined) return [];
  const names = columns ?? fieldsOf(first).map((name) => name.trim());
  const double = names.find((name, place) => names.indexOf(name) !== place);
  if (double !== undefined)
    throw new InputError(
      `${first.source}: the header names the column "${double}" twice${columns === undefined ? ' (without a header, give "columns")' : ''}.`,
    );
  const body = columns === undefined ? rows.slice(1) : rows;
  const shift = columns === undefined ? 1 : 0;
  const fields = body.flatMap((row) => {
    const own = fieldsOf(row);
    const index = row.index - shift;
    if (own.length === names.length) return [{ row: { ...row, index }, own }];
    reader.problems.add(
      'wrong number of fields',
      `${file.stem}/${index}`,
      `${row.source}: the row has ${own.length} fields, ${names.length} are needed (${names.join(', ')}).`,
    );
    return [];
  });
  const read = names.map((_, place) =>
    isTyped ? typeOf(fields.map(({ own }) => own[place] ?? '')) : (text: string): unknown => text,
  );
  return fields.map(({ row, own }) => ({
    ...row,
    value: Object.fromEntries(names.map((name, place) => [name, read[place]?.(own[place] ?? '')])),
  }));
}

function fieldsOf({ value }: Row): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** As pandas tells the type of a column, whose every field must fit; what it takes for missing is here the empty field alone. */
function typeOf(texts: readonly string[]): (text: string) => unknown {
  const filled = texts.filter((text) => text !== '');
  const orNull =
    (read: (text: string) => unknown) =>
    (text: string): unknown =>
      text === '' ? null : read(text);
  if (filled.length === 0) return () => null;
  if (filled.every((text) => /^[-+]?\d+$/.test(text) && Number.isSafeInteger(Number(text))))
    return orNull(Number);
  if (filled.every((text) => /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(text))) return orNull(Number);
  if (filled.every((text) => /^(true|false)$/i.test(text))) return orNull((text) => /^true$/i.test(text));
  return orNull((text) => text);
}
