/** Typed values of a GGUF file's metadata, and their bytes (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). */
import { isUtf8 } from 'node:buffer';
import type { FileCursor } from '../files/file-cursor.js';

const SCALARS = [
  ['uint8', 0, 1],
  ['int8', 1, 1],
  ['uint16', 2, 2],
  ['int16', 3, 2],
  ['uint32', 4, 4],
  ['int32', 5, 4],
  ['float32', 6, 4],
  ['bool', 7, 1],
  ['string', 8, 8],
  ['uint64', 10, 8],
  ['int64', 11, 8],
  ['float64', 12, 8],
] as const;
const ARRAY = 9;

export type GgufScalarType = (typeof SCALARS)[number][0];

/** The JavaScript value of each scalar type. */
interface ScalarValues {
  readonly uint8: number;
  readonly int8: number;
  readonly uint16: number;
  readonly int16: number;
  readonly uint32: number;
  readonly int32: number;
  readonly float32: number;
  readonly bool: boolean;
  readonly string: string;
  readonly uint64: bigint;
  readonly int64: bigint;
  readonly float64: number;
}

export type GgufScalar = {
  readonly [Type in GgufScalarType]: { readonly type: Type; readonly value: ScalarValues[Type] };
}[GgufScalarType];

export type GgufArray =
  | {
      readonly [Type in GgufScalarType]: {
        readonly type: 'array';
        readonly itemType: Type;
        readonly value: readonly ScalarValues[Type][];
      };
    }[GgufScalarType]
  | { readonly type: 'array'; readonly itemType: 'array'; readonly value: readonly GgufArray[] };

export type GgufValue = GgufScalar | GgufArray;

const TYPE_OF_NUMBER: ReadonlyMap<number, GgufScalarType> = new Map(
  SCALARS.map(([type, number]) => [number, type]),
);
const NUMBER_OF_TYPE: ReadonlyMap<GgufScalarType, number> = new Map(
  SCALARS.map(([type, number]) => [type, number]),
);
/** The fewest bytes that a value takes: a count beyond what the file holds cannot be true. */
const MIN_BYTES: ReadonlyMap<GgufScalarType, number> = new Map(
  SCALARS.map(([type, , bytes]) => [type, bytes]),
);
const ARRAY_HEAD_BYTES = 12;
const MAX_NESTING = 8;
/** Sixty times the largest vocabularies: what is longer is damage, and would fill the memory before it is found out. */
const MAX_ITEMS = 2 ** 24;

/** A value with its type number before it. */
export function readGgufValue(cursor: FileCursor, key: string): GgufValue {
  const number = cursor.uint32(`the type of ${key}`);
  if (number === ARRAY) return readArray(cursor, key, 1);
  return readScalar(cursor, scalarType(cursor, number, key), key);
}

function scalarType(cursor: FileCursor, number: number, key: string): GgufScalarType {
  return (
    TYPE_OF_NUMBER.get(number) ??
    cursor.fail(`${key} has the unknown value type ${number}`, cursor.position - 4)
  );
}

function readArray(cursor: FileCursor, key: string, depth: number): GgufArray {
  const number = cursor.uint32(`the item type of ${key}`);
  const count = cursor.uint64(`the length of ${key}`);
  const itemType = number === ARRAY ? 'array' : scalarType(cursor, number, key);
  const itemBytes = itemType === 'array' ? ARRAY_HEAD_BYTES : (MIN_BYTES.get(itemType) ?? 1);
  if (count * itemBytes > cursor.remaining)
    cursor.fail(`${key} claims ${count} items, where only ${cursor.remaining} bytes are left`);
  if (count > MAX_ITEMS) cursor.fail(`${key} claims ${count} items; at most ${MAX_ITEMS} are read`);
  const list = <Item>(read: () => Item): Item[] => {
    const items: Item[] = [];
    for (let index = 0; index < count; index++) items.push(read());
    return items;
  };
  const type = 'array';
  switch (itemType) {
    case 'array':
      if (depth >= MAX_NESTING) cursor.fail(`${key} is nested deeper than ${MAX_NESTING} arrays`);
      return { type, itemType, value: list(() => readArray(cursor, key, depth + 1)) };
    case 'string':
      return { type, itemType, value: list(() => readGgufString(cursor, key)) };
    case 'bool':
      return { type, itemType, value: list(() => readBool(cursor, key)) };
    case 'uint64':
      return { type, itemType, value: list(() => cursor.bytes(8, key).readBigUInt64LE()) };
    case 'int64':
      return { type, itemType, value: list(() => cursor.bytes(8, key).readBigInt64LE()) };
    default:
      return { type, itemType, value: list(() => readNumber(cursor, itemType, key)) };
  }
}

function readScalar(cursor: FileCursor, type: GgufScalarType, key: string): GgufScalar {
  switch (type) {
    case 'string':
      return { type, value: readGgufString(cursor, key) };
    case 'bool':
      return { type, value: readBool(cursor, key) };
    case 'uint64':
      return { type, value: cursor.bytes(8, key).readBigUInt64LE() };
    case 'int64':
      return { type, value: cursor.bytes(8, key).readBigInt64LE() };
    default:
      return { type, value: readNumber(cursor, type, key) };
  }
}

type NumberType = Exclude<GgufScalarType, 'string' | 'bool' | 'uint64' | 'int64'>;

function readNumber(cursor: FileCursor, type: NumberType, key: string): number {
  switch (type) {
    case 'uint8':
      return cursor.bytes(1, key).readUInt8();
    case 'int8':
      return cursor.bytes(1, key).readInt8();
    case 'uint16':
      return cursor.bytes(2, key).readUInt16LE();
    case 'int16':
      return cursor.bytes(2, key).readInt16LE();
    case 'uint32':
      return cursor.bytes(4, key).readUInt32LE();
    case 'int32':
      return cursor.bytes(4, key).readInt32LE();
    case 'float32':
      return cursor.bytes(4, key).readFloatLE();
    case 'float64':
      return cursor.bytes(8, key).readDoubleLE();
  }
}

function readBool(cursor: FileCursor, key: string): boolean {
  const byte = cursor.bytes(1, key)[0] ?? 0;
  if (byte > 1) cursor.fail(`${key} must be 0 or 1, found ${byte}`, cursor.position - 1);
  return byte === 1;
}

/** u64 length and UTF-8 bytes. A byte order mark stays: it may be a token. */
export function readGgufString(cursor: FileCursor, what: string): string {
  const length = cursor.uint64(`the length of ${what}`);
  const bytes = cursor.bytes(length, what);
  if (!isUtf8(bytes)) cursor.fail(`${what} is not valid UTF-8`, cursor.position - length);
  return bytes.toString('utf8');
}

/** A value with its type number before it. Throws RangeError for a number out of its type's range. */
export function encodeGgufValue(value: GgufValue): Buffer {
  const head = (type: GgufScalarType): Buffer => encodeUint32(NUMBER_OF_TYPE.get(type) ?? 0);
  if (value.type !== 'array') return Buffer.concat([head(value.type), encodeScalar(value)]);
  return Buffer.concat([encodeUint32(ARRAY), encodeArray(value)]);
}

function encodeArray(array: GgufArray): Buffer {
  const { itemType } = array;
  const number = itemType === 'array' ? ARRAY : (NUMBER_OF_TYPE.get(itemType) ?? 0);
  return Buffer.concat([encodeUint32(number), encodeUint64(array.value.length), ...encodeItems(array)]);
}

function encodeItems(array: GgufArray): Buffer[] {
  switch (array.itemType) {
    case 'array':
      return array.value.map(encodeArray);
    case 'string':
      return array.value.map(encodeGgufString);
    case 'bool':
      return array.value.map((value) => encodeScalar({ type: 'bool', value }));
    case 'uint64':
      return array.value.map((value) => encodeScalar({ type: 'uint64', value }));
    case 'int64':
      return array.value.map((value) => encodeScalar({ type: 'int64', value }));
    default: {
      const { itemType } = array;
      return array.value.map((value) => encodeScalar({ type: itemType, value }));
    }
  }
}

function encodeScalar(scalar: GgufScalar): Buffer {
  if (scalar.type === 'string') return encodeGgufString(scalar.value);
  const bytes = Buffer.alloc(MIN_BYTES.get(scalar.type) ?? 0);
  switch (scalar.type) {
    case 'bool':
      bytes.writeUInt8(scalar.value ? 1 : 0);
      break;
    case 'uint64':
      bytes.writeBigUInt64LE(scalar.value);
      break;
    case 'int64':
      bytes.writeBigInt64LE(scalar.value);
      break;
    case 'uint8':
      bytes.writeUInt8(scalar.value);
      break;
    case 'int8':
      bytes.writeInt8(scalar.value);
      break;
    case 'uint16':
      bytes.writeUInt16LE(scalar.value);
      break;
    case 'int16':
      bytes.writeInt16LE(scalar.value);
      break;
    case 'uint32':
      bytes.writeUInt32LE(scalar.value);
      break;
    case 'int32':
      bytes.writeInt32LE(scalar.value);
      break;
    case 'float32':
      bytes.writeFloatLE(scalar.value);
      break;
    case 'float64':
      bytes.writeDoubleLE(scalar.value);
      break;
  }
  return bytes;
}

export function encodeGgufString(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([encodeUint64(bytes.length), bytes]);
}

export function encodeUint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function encodeUint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
