import { Undefined, type Value } from './values.js';

/** The variables at one place of a template. */
export interface Scope {
  get(name: string): Value;
  /** Here, not further out. */
  set(name: string, value: Value): void;
}

export class VariableScope implements Scope {
  readonly #parent: Scope | undefined;
  readonly #variables: Map<string, Value>;
  readonly #isStrict: boolean;

  /** @param isStrict of the outermost scope: what nothing is known of is of no use */
  constructor(
    parent: Scope | undefined,
    variables: ReadonlyMap<string, Value> = new Map(),
    isStrict = false,
  ) {
    this.#parent = parent;
    this.#variables = new Map(variables);
    this.#isStrict = isStrict;
  }

  get(name: string): Value {
    const own = this.#variables.get(name);
    if (own !== undefined) return own;
    if (this.#parent !== undefined) return this.#parent.get(name);
    return new Undefined(`'${name}' is undefined`, this.#isStrict);
  }

  set(name: string, value: Value): void {
    this.#variables.set(name, value);
  }
}
