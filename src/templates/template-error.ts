import { InputError } from '../errors/index.js';

/** A template that is wrong or cannot be rendered with what it was given. The message is a clause, without a full stop. */
export class TemplateError extends InputError {
  override readonly name = 'TemplateError';
  /** Counted from 1; undefined where it is not known. */
  readonly line: number | undefined;
  /** The template itself refuses what it was given, by `raise_exception`. */
  readonly isRaised: boolean;

  constructor(message: string, line?: number, isRaised = false) {
    super(line === undefined ? message : `${message} (line ${line})`);
    this.line = line;
    this.isRaised = isRaised;
  }
}

/** A fault of values, found where the line is not known. */
export class ValueFault extends Error {}

/** Of `raise_exception`. */
export class RaisedFault extends ValueFault {}
