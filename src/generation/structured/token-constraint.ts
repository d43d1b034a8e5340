/** What limits the next token of a sequence, as the engine sees it. */
import type { GrammarSpec } from './grammar-spec.js';

/** Which token may come next; one object follows one sequence. */
export interface TokenConstraint {
  /**
   * Bit i of word i >> 5 is 1 where token i may come; bits beyond the words are 0. Stop ids are among them only where
   * the answer may end. Waits for a result that is still being computed. The array is valid until `accept`.
   */
  allowed(): Uint32Array;
  /** Takes note of the chosen token, which `allowed` has allowed, and may start on the next mask elsewhere. */
  accept(id: number): void;
  dispose(): void;
}

/** Where constraints come from: compiles a grammar off the engine's thread, or finds it compiled. */
export interface ConstraintSource {
  /** A constraint for one new sequence. @throws InputError for a grammar that is unsupported, too large, too slow */
  create(spec: GrammarSpec): Promise<TokenConstraint>;
}
