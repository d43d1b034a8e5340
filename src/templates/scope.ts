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

  constructor(parent: Scope | undefined, variables: ReadonlyMap<string, Value> = new Map()) {
    this.#parent = parent;
    this.#variables = new Map(variables);
  }

  get(name: string): Value {
    const own = this.#variables.get(name);
    if (own !== undefined) return own;
    return this.#parent === undefined ? new Undefined(`'${name}' is undefined`) : this.#parent.get(name);
  }

  set(name: string, value: Value): void {
    this.#variables.set(name, value);
  }
}
