/** Pieces of protobuf messages, to be joined or written one after the other. */

/** The varint of an integer from 0 to 2^53 - 1. */
export function encodeVarint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** A varint field. */
export function varintField(number: number, value: number): Buffer {
  return Buffer.concat([encodeVarint(number * 8), encodeVarint(value)]);
}

/** What stands before the `length` bytes of a length-delimited field: text, bytes or a nested message. */
export function lengthPrefix(number: number, length: number): Buffer {
  return Buffer.concat([encodeVarint(number * 8 + 2), encodeVarint(length)]);
}

/** A whole length-delimited field; a text is written as UTF-8. */
export function bytesField(number: number, content: Uint8Array | string): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([lengthPrefix(number, bytes.length), bytes]);
}

/** A field of eight bytes: a double. */
export function doubleField(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([encodeVarint(number * 8 + 1), bytes]);
}

/** A field of four bytes: a float. */
export function floatField(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([encodeVarint(number * 8 + 5), bytes]);
}
