/** Decodes protobuf messages in memory, without a schema. */
import { InputError } from '../../errors/index.js';

/** One field of a message; which of the two values it has is told by its wire type. */
export interface ProtobufField {
  readonly number: number;
  /** 0 varint, 1 fixed 64, 2 length-delimited, 5 fixed 32. */
  readonly wireType: number;
  /** Payload of a length-delimited or fixed field; empty for a varint. A view, not a copy. */
  readonly bytes: Uint8Array;
  /** Value of a varint read as int64 (exact below 2^53); 0 for the other wire types. */
  readonly varint: number;
  /** Where the field starts, in bytes from the start of the file. */
  readonly offset: number;
}

const GROUP_START = 3;
const GROUP_END = 4;

/**
 * The fields of one protobuf message, in file order. Nested messages are length-delimited fields: read their
 * `bytes` with another call.
 * @param source names the file in messages; @param base is the message's own offset in it.
 * @throws InputError for a length beyond the message, an overlong varint, a group or an unknown wire type.
 */
export function* readProtobuf(bytes: Uint8Array, source: string, base = 0): Generator<ProtobufField, void> {
  let position = 0;

  function fail(problem: string): never {
    throw new InputError(
      `${source}: not a valid protobuf message at byte ${base + position}: ${problem}. The file is damaged or of another format.`,
    );
  }
  function readVarint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 1; count <= 10; count++) {
      if (position >= bytes.length) fail('it ends within a varint');
      const byte = bytes[position++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return count === 10 ? negative(bytes.subarray(position - 10, position)) : value;
      scale *= 128;
    }
    return fail('a varint has more than 10 bytes');
  }
  function take(length: number): Uint8Array {
    if (length < 0 || length > bytes.length - position) {
      fail(`a field of ${length} bytes, where only ${bytes.length - position} are left`);
    }
    position += length;
    return bytes.subarray(position - length, position);
  }

  while (position < bytes.length) {
    const offset = base + position;
    const tag = readVarint();
    const wireType = tag % 8;
    const number = Math.floor(tag / 8);
    if (number < 1 || number > 0x1fffffff) fail(`field number ${number}`);
    if (wireType === 0) yield { number, wireType, offset, bytes: NO_BYTES, varint: readVarint() };
    else if (wireType === 1) yield { number, wireType, offset, bytes: take(8), varint: 0 };
    else if (wireType === 2) yield { number, wireType, offset, bytes: take(readVarint()), varint: 0 };
    else if (wireType === 5) yield { number, wireType, offset, bytes: take(4), varint: 0 };
    else if (wireType === GROUP_START || wireType === GROUP_END) fail(`field ${number} is a group`);
    else fail(`field ${number} has wire type ${wireType}`);
  }
}

/** Ten bytes hold an int64 with its sign bit set (as -1 is written); doubles would lose its low bits. */
function negative(varint: Uint8Array): number {
  let value = 0n;
  for (const [index, byte] of varint.entries()) value |= BigInt(byte & 0x7f) << BigInt(7 * index);
  return Number(BigInt.asIntN(64, value));
}

const NO_BYTES = new Uint8Array(0);

/** The value of a fixed 32 field as a float. */
export function protobufFloat(field: ProtobufField): number {
  return new DataView(field.bytes.buffer, field.bytes.byteOffset, field.bytes.byteLength).getFloat32(0, true);
}
