/** Walks the fields of protobuf messages that are too big to hold in memory. */
import { InputError } from '../../errors/index.js';
import { FileCursor } from '../files/file-cursor.js';
import type { InputFile } from '../files/input-file.js';

/** One field of a message that stays in its file. */
export interface ProtobufFileField {
  readonly number: number;
  /** 0 varint, 1 fixed 64, 2 length-delimited, 5 fixed 32. */
  readonly wireType: number;
  /** Offset of the field's tag in the file. */
  readonly offset: number;
  /** Offset of the payload in the file; of a varint, of the varint itself. */
  readonly start: number;
  /** End of the payload in the file, exclusive. */
  readonly end: number;
  /** Value of a varint (below 2^53, exact); 0 for the other wire types. */
  readonly varint: number;
}

/**
 * The fields of one message of a file, in file order, of which only tags and lengths are read: for messages too big
 * to hold. Nested messages are fields of wire type 2; walk their range with another call. A consumer that stops early
 * may call again from a field's end.
 * @throws InputError for a length beyond the message, an overlong varint, a group or an unknown wire type
 */
export function* walkProtobuf(
  file: InputFile,
  range: { readonly start: number; readonly end: number },
): Generator<ProtobufFileField, void> {
  const cursor = new FileCursor(
    file,
    range,
    (problem, offset) => {
      throw new InputError(
        `${file.path}: not a valid protobuf message at byte ${offset}: ${problem}. The file is damaged or of another format.`,
      );
    },
    512,
  );
  while (cursor.remaining > 0) {
    const offset = cursor.position;
    const tag = readVarint(cursor);
    const wireType = tag % 8;
    const number = Math.floor(tag / 8);
    if (number < 1 || number > 0x1fffffff) cursor.fail(`field number ${number}`, offset);
    let start = cursor.position;
    let varint = 0;
    if (wireType === 0) varint = readVarint(cursor);
    else if (wireType === 1) cursor.skip(8, 'a fixed 64 field');
    else if (wireType === 5) cursor.skip(4, 'a fixed 32 field');
    else if (wireType === 2) {
      const length = readVarint(cursor);
      start = cursor.position;
      cursor.skip(length, `field ${number}`);
    } else cursor.fail(`field ${number} has wire type ${wireType}`, offset);
    yield { number, wireType, offset, start, end: cursor.position, varint };
  }
}

function readVarint(cursor: FileCursor): number {
  const start = cursor.position;
  let value = 0;
  for (let scale = 1; cursor.position - start < 10; scale *= 128) {
    const byte = cursor.bytes(1, 'a varint')[0] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte >= 0x80) continue;
    return Number.isSafeInteger(value) ? value : cursor.fail('a varint is beyond 2^53', start);
  }
  return cursor.fail('a varint has more than 10 bytes', start);
}
