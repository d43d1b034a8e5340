import { InputError } from '../errors/index.js';

/** A template that is wrong or cannot be rendered with what it was given. The message is a clause, without a full stop. */
export class TemplateError extends InputError {
  override readonly name = 'TemplateError';
  /** Counted from 1; undefined where it is not known. */
  readonly line: number | undefined;

  constructor(message: string, line?: number) {
    super(line === undefined ? message : `${message} (line ${line})`);
    this.line = line;
  }
}

/** A fault of values, found where the line is not known. */
export class ValueFault extends Error {}
