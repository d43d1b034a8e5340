/** Items of record readers: records, and errors of single records in their place. */
import { findLoneSurrogate, InputError, loneSurrogateProblem } from '../../errors/index.js';

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
  | 'lone surrogate'
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

/** A record, or the fault of a text in it that no UTF-8 can hold. @param text from which the value was parsed */
export function jsonRecord(path: string, line: number, value: unknown, text: string): RecordItem {
  const lone = findLoneSurrogate(value, text);
  if (lone === undefined) return { line, value };
  return new RecordFault(
    line,
    'lone surrogate',
    `${path}:${line}: ${loneSurrogateProblem(lone)}; mend the text, or leave the record out.`,
  );
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
