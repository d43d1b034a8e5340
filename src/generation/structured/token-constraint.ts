/** What limits the next token of a sequence, as the engine sees it. */
import type { GrammarSpec } from './grammar-spec.js';

/** Which token may come next; one object follows one sequence. */
export interface TokenConstraint {
  /** False while it is still being found out, elsewhere, what may come. */
  readonly isReady: boolean;
  /** Calls once when `isReady` has become true, never within this call. */
  whenReady(call: () => void): void;
  /**
   * Bit i of word i >> 5 is 1 where token i may come; bits beyond the words are 0. Stop ids are among them only where
   * the answer may end. The array is valid until `accept`.
   * @throws RangeError before it is ready; what has gone wrong with the grammar
   */
  allowed(): Uint32Array;
  /** Takes note of the chosen token, which `allowed` has allowed, and may start on the next mask elsewhere. */
  accept(id: number): void;
  dispose(): void;
}

export interface CompileOptions {
  /** Clients take turns at the compiler. Default: all are one. */
  readonly client?: string | undefined;
  /** Nobody waits for it any more. */
  readonly signal?: AbortSignal | undefined;
}

/** Where constraints come from: compiles a grammar off the engine's thread, or finds it compiled. */
export interface ConstraintSource {
  /** A constraint for one new sequence. @throws InputError for a grammar that is unsupported, too large, too slow */
  create(spec: GrammarSpec, options?: CompileOptions): Promise<TokenConstraint>;
}
