/** Flat maps of texts to numbers and texts in MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md). */
import { isUtf8 } from 'node:buffer';

export type PackedScalar = number | bigint | string | boolean | null;

/**
 * A map with the narrowest form of each value: numbers that are floats by `floats` as float32 where that is exact, else as
 * float64; all other numbers as integers. Keys in the order given.
 */
export function packMap(
  entries: readonly (readonly [string, number | bigint | string])[],
  floats: ReadonlySet<string>,
): Buffer {
  const pieces = [sizedHead(entries.length, MAP_HEADS)];
  for (const [key, value] of entries) {
    pieces.push(packText(key));
    if (typeof value === 'string') pieces.push(packText(value));
    else if (floats.has(key)) pieces.push(packFloat(Number(value)));
    else pieces.push(packInteger(BigInt(value)));
  }
  return Buffer.concat(pieces);
}

/** Largest size of a form, its first byte (for the smallest form plus the size), and bytes of its size. */
type SizedHeads = readonly (readonly [limit: number, code: number, bytes: number])[];
const MAP_HEADS: SizedHeads = [
  [15, 0x80, 0],
  [0xffff, 0xde, 2],
];
const TEXT_HEADS: SizedHeads = [
  [31, 0xa0, 0],
  [0xff, 0xd9, 1],
  [0xffff, 0xda, 2],
  [0xffffffff, 0xdb, 4],
];

function sizedHead(size: number, heads: SizedHeads): Buffer {
  for (const [limit, code, bytes] of heads) {
    if (size > limit) continue;
    if (bytes === 0) return Buffer.from([code + size]);
    const head = Buffer.alloc(1 + bytes, code);
    head.writeUIntBE(size, 1, bytes);
    return head;
  }
  throw new RangeError(`${size} is too large a size for MessagePack.`);
}

function packText(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([sizedHead(bytes.length, TEXT_HEADS), bytes]);
}

function packFloat(value: number): Buffer {
  const single = Object.is(Math.fround(value), value);
  const bytes = Buffer.alloc(single ? 5 : 9, single ? 0xca : 0xcb);
  if (single) bytes.writeFloatBE(value, 1);
  else bytes.writeDoubleBE(value, 1);
  return bytes;
}

function packInteger(value: bigint): Buffer {
  const sized = (code: number, bytes: number): Buffer => {
    const packed = Buffer.alloc(1 + bytes, code);
    if (bytes === 8) packed.writeBigUInt64BE(BigInt.asUintN(64, value), 1);
    else packed.writeUIntBE(Number(BigInt.asUintN(8 * bytes, value)), 1, bytes);
    return packed;
  };
  if (value >= 0n) {
    if (value < 0x80n) return Buffer.from([Number(value)]);
    if (value < 0x100n) return sized(0xcc, 1);
    if (value < 0x10000n) return sized(0xcd, 2);
    if (value < 0x100000000n) return sized(0xce, 4);
    if (value < 2n ** 64n) return sized(0xcf, 8);
  } else {
    if (value >= -32n) return Buffer.from([256 + Number(value)]);
    if (value >= -0x80n) return sized(0xd0, 1);
    if (value >= -0x8000n) return sized(0xd1, 2);
    if (value >= -0x80000000n) return sized(0xd2, 4);
    if (value >= -(2n ** 63n)) return sized(0xd3, 8);
  }
  throw new RangeError(`${value} is too large an integer for MessagePack.`);
}

/** The map that fills `bytes`. @param fail throws; gets what is wrong. */
export function unpackMap(bytes: Buffer, fail: (problem: string) => never): Map<string, PackedScalar> {
  let position = 0;
  const take = (length: number): Buffer => {
    if (length > bytes.length - position) fail(`it ends within a value at its byte ${position}`);
    position += length;
    return bytes.subarray(position - length, position);
  };
  const unsigned = (length: number): number => take(length).readUIntBE(0, length);
  const text = (length: number): string => {
    const content = take(length);
    if (!isUtf8(content)) fail(`invalid UTF-8 at its byte ${position - length}`);
    return content.toString('utf8');
  };
  const textAt = (code: number): string | undefined => {
    if (code >= 0xa0 && code <= 0xbf) return text(code - 0xa0);
    if (code >= 0xd9 && code <= 0xdb) return text(unsigned(1 << (code - 0xd9)));
    return undefined;
  };
  const value = (): PackedScalar => {
    const code = unsigned(1);
    if (code < 0x80) return code;
    if (code >= 0xe0) return code - 256;
    const content = textAt(code);
    if (content !== undefined) return content;
    switch (code) {
      case 0xc0:
        return null;
      case 0xc2:
      case 0xc3:
        return code === 0xc3;
      case 0xca:
        return take(4).readFloatBE();
      case 0xcb:
        return take(8).readDoubleBE();
      case 0xcc:
      case 0xcd:
      case 0xce:
        return unsigned(1 << (code - 0xcc));
      case 0xcf:
        return take(8).readBigUInt64BE();
      case 0xd0:
      case 0xd1:
      case 0xd2: {
        const length = 1 << (code - 0xd0);
        return take(length).readIntBE(0, length);
      }
      case 0xd3:
        return take(8).readBigInt64BE();
      default:
        return fail(`the code ${code} at its byte ${position - 1} is no number and no text`);
    }
  };

  const head = unsigned(1);
  let count = head - 0x80;
  if (head === 0xde) count = unsigned(2);
  else if (count < 0 || count > 15) fail(`it begins with ${head}, which is no map`);
  const map = new Map<string, PackedScalar>();
  for (let index = 0; index < count; index++) {
    const key = textAt(unsigned(1)) ?? fail(`key ${index} is no text`);
    map.set(key, value());
  }
  if (position !== bytes.length) fail(`${bytes.length - position} bytes follow its last value`);
  return map;
}
