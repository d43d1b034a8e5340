import type { NamedArguments, Value } from './values.js';

/** What filters, tests and methods need of the evaluation around them. */
export interface EvaluationContext {
  /** As `target.name` and `target[name]`. */
  attribute(target: Value, name: Value, isIndex: boolean): Value;
  filter(name: string, target: Value, positional: readonly Value[], named: NamedArguments): Value;
  test(name: string, target: Value, positional: readonly Value[]): boolean;
  /** Counts work towards the limit of the template. */
  work(amount: number): void;
}
