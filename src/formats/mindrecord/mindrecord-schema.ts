/** Columns of a MindRecord file, and where the format keeps the values of each. */
import { InputError } from '../../errors/index.js';
import { showValue } from '../files/show-value.js';

export const MINDRECORD_TYPES = ['int32', 'int64', 'float32', 'float64', 'string', 'bytes'] as const;

export type MindRecordType = (typeof MINDRECORD_TYPES)[number];

export interface MindRecordColumn {
  /** Letters, digits and underscores. */
  readonly name: string;
  readonly type: MindRecordType;
  /**
   * Present for arrays (of the four numeric types): the sizes, at most one of them -1 for any. Absent for a single
   * number, text or run of bytes.
   */
  readonly shape?: readonly number[];
}

/** A value of a row. Arrays come flat, row by row; int64 numbers as bigint. */
export type MindRecordValue =
  | number
  | bigint
  | string
  | Uint8Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

export type MindRecordRow = Readonly<Record<string, MindRecordValue>>;

/** Arrays and bytes lie in blob pages; single numbers and texts in raw pages, and in the index. */
export function isBlobColumn({ type, shape }: MindRecordColumn): boolean {
  return shape !== undefined || type === 'bytes';
}

/** Arrays of integers are packed (see mindrecord-integers.ts). */
export function isIntegerArray({ type, shape }: MindRecordColumn): boolean {
  return shape !== undefined && (type === 'int32' || type === 'int64');
}

/**
 * The columns as the format orders them: by name.
 * @throws InputError for no column, two of one name, names and shapes that MindSpore refuses
 */
export function checkColumns(source: string, columns: readonly MindRecordColumn[]): MindRecordColumn[] {
  if (columns.length === 0) throw new InputError(`${source}: a MindRecord file needs at least one column.`);
  const names = new Set<string>();
  for (const { name, type, shape } of columns) {
    const fail = (problem: string): InputError =>
      new InputError(`${source}: column ${showValue(name)} ${problem}.`);
    if (!/^[0-9a-zA-Z_]+$/.test(name)) throw fail('may consist of letters, digits and underscores only');
    if (names.has(name)) throw fail('is named twice');
    names.add(name);
    if (shape === undefined) continue;
    if (type === 'string' || type === 'bytes') throw fail(`is of ${type}, which cannot have a shape`);
    const open = shape.filter((size) => size === -1).length;
    const valid = shape.every((size) => Number.isSafeInteger(size) && size >= -1);
    if (shape.length === 0 || open > 1 || !valid)
      throw fail(`has the shape ${showValue(shape)}; sizes from 0 and at most one -1 are allowed`);
  }
  return columns.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
