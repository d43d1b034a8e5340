/** Rows of a MindRecord file as the bytes of their blob and of their single values, and back. */
import { InputError } from '../../errors/index.js';
import { showValue } from '../files/show-value.js';
import { type PackedScalar, packMap, unpackMap } from './message-pack.js';
import { packIntegers, unpackInt32, unpackInt64 } from './mindrecord-integers.js';
import {
  isBlobColumn,
  isIntegerArray,
  type MindRecordColumn,
  type MindRecordRow,
  type MindRecordValue,
} from './mindrecord-schema.js';

/** A value to write: what a reader gives, or a plain list of numbers for an array. */
export type MindRecordInput = MindRecordValue | readonly number[];
export type MindRecordInputRow = Readonly<Record<string, MindRecordInput>>;

/** Before each column of a blob with several: u64 big-endian length. */
const COLUMN_LENGTH_BYTES = 8;
/** Where no column is a blob, MindSpore writes four zero bytes, and where none is a single value the map {id: 0}. */
const NO_BLOB = Buffer.alloc(4);
const NO_SCALARS: readonly (readonly [string, number])[] = [['id', 0]];

export interface EncodedRow {
  readonly blob: Buffer;
  readonly raw: Buffer;
  /** Bytes that the packing of integers saved. */
  readonly savedBytes: number;
}

/** @param columns in the format's order. Throws RangeError for a missing, surplus or unfit value. */
export function encodeRow(columns: readonly MindRecordColumn[], row: MindRecordInputRow): EncodedRow {
  const surplus = Object.keys(row).find((name) => !columns.some((column) => column.name === name));
  if (surplus !== undefined)
    throw new RangeError(`A row has the value ${showValue(surplus)}, which is no column.`);
  const blobs: Buffer[] = [];
  const scalars: [string, number | bigint | string][] = [];
  const floats = new Set<string>();
  let savedBytes = 0;
  for (const column of columns) {
    const value = row[column.name];
    if (isBlobColumn(column)) {
      const { bytes, saved } = encodeBlob(column, value);
      blobs.push(bytes);
      savedBytes += saved;
    } else {
      scalars.push([column.name, checkScalar(column, value)]);
      if (column.type === 'float32' || column.type === 'float64') floats.add(column.name);
    }
  }
  const raw = packMap(scalars.length === 0 ? NO_SCALARS : scalars, floats);
  return { blob: joinBlobs(blobs), raw, savedBytes };
}

function joinBlobs(blobs: readonly Buffer[]): Buffer {
  const [first] = blobs;
  if (first === undefined) return NO_BLOB;
  if (blobs.length === 1) return first;
  return Buffer.concat(
    blobs.flatMap((bytes) => {
      const length = Buffer.alloc(COLUMN_LENGTH_BYTES);
      length.writeBigUInt64BE(BigInt(bytes.length));
      return [length, bytes];
    }),
  );
}

function unfit({ name, type, shape }: MindRecordColumn, value: unknown): RangeError {
  const wanted = shape === undefined ? type : `${type} [${shape}]`;
  const found = ArrayBuffer.isView(value) ? value.constructor.name : showValue(value);
  return new RangeError(`Column ${showValue(name)} is ${wanted}, got ${found}.`);
}

function encodeBlob(
  column: MindRecordColumn,
  value: MindRecordInput | undefined,
): { readonly bytes: Buffer; readonly saved: number } {
  const { type, shape } = column;
  if (shape === undefined) {
    if (!(value instanceof Uint8Array)) throw unfit(column, value);
    return { bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength), saved: 0 };
  }
  if (typeof value !== 'object' || value instanceof Uint8Array) throw unfit(column, value);
  if (!fitsShape(value.length, shape)) throw unfit(column, `${value.length} values`);
  if (type === 'int32' || type === 'int64') {
    const bytes = packIntegers(value, type);
    return { bytes, saved: value.length * (type === 'int32' ? 4 : 8) - bytes.length };
  }
  const numbers = Array.from(value, Number);
  const array = type === 'float32' ? Float32Array.from(numbers) : Float64Array.from(numbers);
  return { bytes: Buffer.from(array.buffer), saved: 0 };
}

function fitsShape(count: number, shape: readonly number[]): boolean {
  const fixed = shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
  if (!shape.includes(-1)) return count === fixed;
  return fixed === 0 ? count === 0 : count % fixed === 0;
}

function checkScalar(column: MindRecordColumn, value: MindRecordInput | undefined): number | bigint | string {
  const { type } = column;
  if (type === 'string') {
    if (typeof value === 'string') return value;
  } else if (type === 'int32' || type === 'int64') {
    const whole = typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value));
    if (whole && BigInt.asIntN(type === 'int32' ? 32 : 64, BigInt(value)) === BigInt(value)) return value;
  } else if (typeof value === 'number') return value;
  throw unfit(column, typeof value === 'bigint' ? `${value}` : value);
}

/**
 * The row of a blob and the bytes of its single values (unused, and may be empty, if no column is one).
 * @param where names file and row in the InputError for damage.
 */
export function decodeRow(
  columns: readonly MindRecordColumn[],
  blob: Buffer,
  raw: Buffer,
  where: () => string,
): MindRecordRow {
  const fail = (column: MindRecordColumn, problem: string): never => {
    throw new InputError(`${where()}, column ${showValue(column.name)}: ${problem}. The file is damaged.`);
  };
  const blobColumns = columns.filter(isBlobColumn);
  const scalars =
    blobColumns.length === columns.length
      ? new Map<string, PackedScalar>()
      : unpackMap(raw, (problem) => {
          throw new InputError(`${where()}: its single values are no map: ${problem}. The file is damaged.`);
        });
  let position = 0;
  const values = columns.map((column): [string, MindRecordValue] => {
    if (!isBlobColumn(column)) return [column.name, decodeScalar(column, scalars.get(column.name), fail)];
    let bytes = blob;
    if (blobColumns.length > 1) {
      const left = blob.length - position - COLUMN_LENGTH_BYTES;
      if (left < 0)
        return fail(
          column,
          `its length takes ${COLUMN_LENGTH_BYTES} bytes, ${blob.length - position} are left`,
        );
      const length = blob.readBigUInt64BE(position);
      if (length > BigInt(left)) return fail(column, `it claims ${length} bytes of ${left}`);
      position += COLUMN_LENGTH_BYTES;
      bytes = blob.subarray(position, position + Number(length));
      position += Number(length);
    }
    return [column.name, decodeBlob(column, bytes, fail)];
  });
  if (blobColumns.length > 1 && position !== blob.length)
    throw new InputError(
      `${where()}: ${blob.length - position} bytes belong to no column. The file is damaged.`,
    );
  return Object.fromEntries(values);
}

type Fail = (column: MindRecordColumn, problem: string) => never;

function decodeBlob(column: MindRecordColumn, bytes: Buffer, fail: Fail): MindRecordValue {
  const { type, shape } = column;
  if (shape === undefined) return bytes;
  const array = isIntegerArray(column) ? unpackArray(column, bytes, fail) : floatArray(column, bytes, fail);
  if (!fitsShape(array.length, shape))
    return fail(column, `${array.length} values do not fit ${type} [${shape}]`);
  return array;
}

function unpackArray(column: MindRecordColumn, bytes: Buffer, fail: Fail): Int32Array | BigInt64Array {
  const unpack = column.type === 'int32' ? unpackInt32 : unpackInt64;
  return unpack(bytes, (problem) => fail(column, problem));
}

function floatArray(column: MindRecordColumn, bytes: Buffer, fail: Fail): Float32Array | Float64Array {
  const width = column.type === 'float32' ? 4 : 8;
  if (bytes.length % width !== 0) return fail(column, `${bytes.length} bytes do not divide by ${width}`);
  // A copy of its own, because typed arrays must be aligned.
  const { buffer } = Uint8Array.from(bytes);
  return column.type === 'float32' ? new Float32Array(buffer) : new Float64Array(buffer);
}

function decodeScalar(
  column: MindRecordColumn,
  value: PackedScalar | undefined,
  fail: Fail,
): MindRecordValue {
  const wrong = (): never => fail(column, `the value must be ${column.type}, found ${showValue(value)}`);
  switch (column.type) {
    case 'string':
      return typeof value === 'string' ? value : wrong();
    case 'float32':
      return Math.fround(numberOf(value) ?? wrong());
    case 'float64':
      return numberOf(value) ?? wrong();
    case 'int32': {
      const whole = wholeOf(value);
      return whole !== undefined && BigInt.asIntN(32, whole) === whole ? Number(whole) : wrong();
    }
    case 'int64': {
      const whole = wholeOf(value);
      return whole !== undefined && BigInt.asIntN(64, whole) === whole ? whole : wrong();
    }
    case 'bytes':
      return wrong();
  }
}

function numberOf(value: PackedScalar | undefined): number | undefined {
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined;
}

function wholeOf(value: PackedScalar | undefined): bigint | undefined {
  if (typeof value === 'bigint') return value;
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : undefined;
}
