/**
 * Packed integer arrays of MindRecord blobs: u32 big-endian count; for each value two bits of width (0..3 for 1, 2, 4
 * or 8 bytes, the first value in the top bits of the first byte); then the values, little-endian, signed.
 */

const COUNT_BYTES = 4;

/** Throws RangeError for a value that is no integer of the type. */
export function packIntegers(values: ArrayLike<number | bigint>, type: 'int32' | 'int64'): Buffer {
  const count = values.length;
  const codes = Math.ceil(count / 4);
  const packed = Buffer.alloc(COUNT_BYTES + codes + 8 * count);
  packed.writeUInt32BE(count);
  let end = COUNT_BYTES + codes;
  for (let index = 0; index < count; index++) {
    const value = Number(values[index]);
    const code = widthCode(value);
    if (code === 3) {
      if (type === 'int32') throw new RangeError(`${values[index]} is no int32.`);
      packed.writeBigInt64LE(toBigInt(values[index]), end);
    } else if (code === 2) packed.writeInt32LE(value, end);
    else if (code === 1) packed.writeInt16LE(value, end);
    else packed.writeInt8(value, end);
    end += 1 << code;
    const byte = COUNT_BYTES + (index >> 2);
    packed[byte] = (packed[byte] ?? 0) | (code << (6 - 2 * (index & 3)));
  }
  return packed.subarray(0, end);
}

function widthCode(value: number): 0 | 1 | 2 | 3 {
  if (!Number.isInteger(value)) throw new RangeError(`${value} is no integer.`);
  if (value >= -0x80 && value < 0x80) return 0;
  if (value >= -0x8000 && value < 0x8000) return 1;
  if (value >= -0x80000000 && value < 0x80000000) return 2;
  return 3;
}

function toBigInt(value: number | bigint | undefined): bigint {
  if (typeof value === 'bigint' && BigInt.asIntN(64, value) === value) return value;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  throw new RangeError(`${value} is no int64.`);
}

/** @param fail throws; gets what is wrong. */
export function unpackInt32(packed: Buffer, fail: (problem: string) => never): Int32Array {
  const { count, codes, first } = readCount(packed, fail);
  const values = new Int32Array(count);
  let end = first;
  for (let index = 0; index < count; index++) {
    const code = codeOf(packed, codes, index);
    if (code === 3) fail(`value ${index} takes 8 bytes, too wide for int32`);
    if (end + (1 << code) > packed.length) fail(`it ends within value ${index} of ${count}`);
    values[index] = readNarrow(packed, end, code);
    end += 1 << code;
  }
  if (end !== packed.length) fail(`${packed.length - end} bytes follow its ${count} values`);
  return values;
}

/** @param fail throws; gets what is wrong. */
export function unpackInt64(packed: Buffer, fail: (problem: string) => never): BigInt64Array {
  const { count, codes, first } = readCount(packed, fail);
  const values = new BigInt64Array(count);
  // Halves of 32 bits, the lower first: most values are narrow, and a bigint for each is slow.
  const halves = new Int32Array(values.buffer);
  let end = first;
  for (let index = 0; index < count; index++) {
    const code = codeOf(packed, codes, index);
    if (end + (1 << code) > packed.length) fail(`it ends within value ${index} of ${count}`);
    const low = code === 3 ? packed.readInt32LE(end) : readNarrow(packed, end, code);
    halves[2 * index] = low;
    halves[2 * index + 1] = code === 3 ? packed.readInt32LE(end + 4) : low >> 31;
    end += 1 << code;
  }
  if (end !== packed.length) fail(`${packed.length - end} bytes follow its ${count} values`);
  return values;
}

function readCount(
  packed: Buffer,
  fail: (problem: string) => never,
): { readonly count: number; readonly codes: number; readonly first: number } {
  if (packed.length < COUNT_BYTES) fail(`it has ${packed.length} bytes, too few for a count`);
  const count = packed.readUInt32BE();
  const first = COUNT_BYTES + Math.ceil(count / 4);
  if (first + count > packed.length) fail(`it claims ${count} values in ${packed.length} bytes`);
  return { count, codes: COUNT_BYTES, first };
}

function codeOf(packed: Buffer, codes: number, index: number): number {
  return ((packed[codes + (index >> 2)] ?? 0) >> (6 - 2 * (index & 3))) & 3;
}

function readNarrow(packed: Buffer, offset: number, code: number): number {
  if (code === 0) return packed.readInt8(offset);
  if (code === 1) return packed.readInt16LE(offset);
  return packed.readInt32LE(offset);
}
