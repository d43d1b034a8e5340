/** Items of record readers: records, and errors of single records in their place. */
import { InputError } from '../../errors/index.js';

export interface FileRecord {
  /** From 1: the line where the record begins; in parquet the number of the row. */
  readonly line: number;
  readonly value: unknown;
}

export type RecordFaultReason =
  | 'too long'
  | 'not UTF-8'
  | 'NUL byte'
  | 'not valid JSON'
  | 'not valid CSV'
  | 'empty file'
  | 'damaged file';

/**
 * One record that cannot be read. A reader yields it and goes on; where it cannot go on (a damaged container, the rest
 * of the file is lost) it throws it.
 */
export class RecordFault extends InputError {
  readonly line: number;
  readonly reason: RecordFaultReason;

  /** @param message whole, with file and line */
  constructor(line: number, reason: RecordFaultReason, message: string) {
    super(message);
    this.line = line;
    this.reason = reason;
  }
}

export type RecordItem = FileRecord | RecordFault;

/** Longest record accepted unless the caller says otherwise: 64 MiB. */
export const MAX_RECORD_BYTES = 64 * 2 ** 20;

export function tooLong(path: string, line: number, limit: number): RecordFault {
  return new RecordFault(
    line,
    'too long',
    `${path}:${line}: the record is longer than ${limit} bytes; split it, or raise the limit.`,
  );
}
