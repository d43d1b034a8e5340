/**
 * The few kinds of failure that the command line tells apart. Everything else is a fault of ours:
 * it ends with exit code 1 and a stack trace.
 */

/**
 * Wrong input or wrong usage: a file, a value or an option that the user can put right. Exit code 2.
 * The message is one sentence or two: what is wrong, where (file, key, line, offset), the value found,
 * and the way out.
 */
export class InputError extends Error {
  override readonly name: string = 'InputError';
}

/** A computation gave NaN or infinity: damaged weights, a dtype too narrow, a learning rate too high. */
export class NonFiniteError extends InputError {
  override readonly name = 'NonFiniteError';
}

/** The user (or a signal) ended the work. Exit code 130. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
  /** All work is saved and can be taken up again: to a scheduler that asked for the end (SIGTERM) this is success. */
  readonly isHandedOver: boolean;

  constructor(message: string, { isHandedOver = false }: { readonly isHandedOver?: boolean } = {}) {
    super(message);
    this.isHandedOver = isHandedOver;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
