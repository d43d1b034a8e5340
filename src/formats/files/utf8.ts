/** Strict UTF-8 decoding. */
import { isUtf8 } from 'node:buffer';
import { InputError } from '../../errors/index.js';

/**
 * Strict UTF-8 to text, without a leading byte order mark.
 * @param source names the bytes in the message of the InputError that invalid UTF-8 throws.
 */
export function decodeUtf8(bytes: Uint8Array, source: string): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isUtf8(buffer)) {
    const text = buffer.toString('utf8');
    return text.startsWith('\ufeff') ? text.slice(1) : text;
  }
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    throw new InputError(`${source} is UTF-16; save it as UTF-8.`);
  }
  const offset = invalidUtf8Offset(buffer);
  const value = buffer.subarray(offset, offset + 4).toString('hex');
  throw new InputError(`${source} is not valid UTF-8: bytes ${value} (hex) at byte offset ${offset}.`);
}

/** The first replacement character that the bytes do not spell themselves marks the first invalid byte. */
function invalidUtf8Offset(buffer: Buffer): number {
  const text = buffer.toString('utf8');
  let offset = 0;
  let from = 0;
  for (;;) {
    const at = text.indexOf('\ufffd', from);
    if (at < 0) return buffer.length;
    offset += Buffer.byteLength(text.slice(from, at));
    if (buffer.toString('hex', offset, offset + 3) !== 'efbfbd') return offset;
    offset += 3;
    from = at + 1;
  }
}
