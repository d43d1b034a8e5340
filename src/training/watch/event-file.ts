/**
 * TensorBoard's event files: TFRecord frames around Event messages (tensorflow/core/lib/io/record_writer.h,
 * tensorboard/compat/proto/event.proto, summary.proto, tensor.proto).
 */
import { bytesField, doubleField, floatField, varintField } from '../../formats/index.js';
import { maskedCrc32c } from './crc32c.js';

/** DataType.DT_STRING of types.proto. */
const DT_STRING = 7;
/** DataClass.DATA_CLASS_TENSOR of summary.proto. */
const DATA_CLASS_TENSOR = 2;
/** SessionLog.SessionStatus.START: readers then drop what they know of this step and later ones. */
const SESSION_START = 1;

/** One record: length and its checksum, content and its checksum, all little-endian. */
export function tfRecord(content: Uint8Array): Buffer {
  const head = Buffer.alloc(12);
  head.writeBigUInt64LE(BigInt(content.length), 0);
  head.writeUInt32LE(maskedCrc32c(head.subarray(0, 8)), 8);
  const foot = Buffer.alloc(4);
  foot.writeUInt32LE(maskedCrc32c(content));
  return Buffer.concat([head, content, foot]);
}

/** The first event of every file. @param seconds since 1970 */
export function versionEvent(seconds: number): Buffer {
  return Buffer.concat([doubleField(1, seconds), bytesField(3, 'brain.Event:2')]);
}

/** A run that goes on at `step`. */
export function sessionStartEvent(seconds: number, step: number): Buffer {
  return event(seconds, step, bytesField(7, varintField(1, SESSION_START)));
}

export function scalarsEvent(seconds: number, step: number, scalars: ReadonlyMap<string, number>): Buffer {
  const values = [...scalars].map(([tag, value]) =>
    bytesField(1, Buffer.concat([bytesField(1, tag), floatField(2, value)])),
  );
  return event(seconds, step, bytesField(5, Buffer.concat(values)));
}

/** @param markdown shown by TensorBoard's text page */
export function textEvent(seconds: number, step: number, tag: string, markdown: string): Buffer {
  const plugin = bytesField(1, 'text');
  const metadata = Buffer.concat([bytesField(1, plugin), varintField(4, DATA_CLASS_TENSOR)]);
  const shape = bytesField(2, varintField(1, 1)); // One dimension of size 1.
  const tensor = Buffer.concat([varintField(1, DT_STRING), bytesField(2, shape), bytesField(8, markdown)]);
  const value = Buffer.concat([bytesField(1, tag), bytesField(8, tensor), bytesField(9, metadata)]);
  return event(seconds, step, bytesField(5, bytesField(1, value)));
}

function event(seconds: number, step: number, what: Buffer): Buffer {
  return Buffer.concat([doubleField(1, seconds), varintField(2, step), what]);
}
