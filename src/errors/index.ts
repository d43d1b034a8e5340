/**
 * The few kinds of failure that the command line tells apart. Everything else is a fault of ours:
 * it ends with exit code 1 and a stack trace.
 */

import { systemErrorText } from './system-error.js';

export { InterruptedError, Interruption } from './interruption.js';
export { isSystemError, systemErrorText } from './system-error.js';

/**
 * Wrong input or wrong usage: a file, a value or an option that the user can put right. Exit code 2.
 * The message is one sentence or two: what is wrong, where (file, key, line, offset), the value found,
 * and the way out.
 */
export class InputError extends Error {
  /** Tells it apart where classes cannot: across processes and copies of the package. */
  override readonly name: string = 'InputError';
}

/** A computation gave NaN or infinity: damaged weights, a dtype too narrow, a learning rate too high. */
export class NonFiniteError extends InputError {
  override readonly name = 'NonFiniteError';
}

/** A run that ended with the parameters it began with. Exit code 1: nothing is wrong with the input, and nothing came out. */
export class NothingLearnedError extends Error {
  override readonly name = 'NothingLearnedError';
}

/** The message of anything that was thrown; of a refused system call in words, with its path. */
export function messageOf(error: unknown): string {
  return systemErrorText(error) ?? (error instanceof Error ? error.message : String(error));
}
export { findLoneSurrogate, type LoneSurrogate, loneSurrogateProblem } from './lone-surrogate.js';
