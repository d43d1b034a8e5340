/** What a filter is, and the arguments that it is given. */
import type { EvaluationContext } from './evaluation-context.js';
import { stringOf } from './printing.js';
import { ValueFault } from './template-error.js';
import { isTrue, type NamedArguments, textOf, type Value, wholeNumber } from './values.js';

/** The arguments of a filter by name, whether they were given so or not. */
export class FilterArguments {
  readonly positional: readonly Value[];
  readonly named: NamedArguments;
  readonly context: EvaluationContext;
  readonly #names: readonly string[];

  constructor(
    names: string,
    positional: readonly Value[],
    named: NamedArguments,
    context: EvaluationContext,
  ) {
    this.#names = names.split(' ').filter((name) => name !== '' && name !== '*');
    this.positional = positional;
    this.named = named;
    this.context = context;
    if (names.includes('*')) return;
    const unknown = [...named.keys()].find((name) => !this.#names.includes(name));
    if (unknown !== undefined) throw new ValueFault(`there is no argument named "${unknown}"`);
    if (positional.length > this.#names.length)
      throw new ValueFault(`at most ${this.#names.length} arguments, found ${positional.length}`);
  }

  get(name: string): Value | undefined {
    return this.named.has(name) ? this.named.get(name) : this.positional[this.#names.indexOf(name)];
  }

  whole(name: string, otherwise: number): number {
    const value = this.get(name);
    return value === undefined || value === null ? otherwise : wholeNumber(value, name);
  }

  text(name: string, otherwise: string): string {
    const value = this.get(name);
    return value === undefined || value === null ? otherwise : textOf(value, name);
  }

  isTrue(name: string, otherwise = false): boolean {
    const value = this.get(name);
    return value === undefined ? otherwise : isTrue(value);
  }

  /** What to look at instead of an item: an attribute of it, as `a.b` or `a.0`. */
  attributeOf(name = 'attribute'): (item: Value) => Value {
    const path = this.get(name);
    if (path === undefined || path === null) return (item) => item;
    return this.#along(typeof path === 'number' ? [path] : stepsOf(textOf(path, name)));
  }

  /** The same for several, with commas between them. */
  attributesOf(name = 'attribute'): readonly ((item: Value) => Value)[] {
    const paths = this.get(name);
    if (paths === undefined || paths === null || typeof paths === 'number') return [this.attributeOf(name)];
    return textOf(paths, name)
      .split(',')
      .map((path) => this.#along(stepsOf(path)));
  }

  #along(steps: readonly (string | number)[]): (item: Value) => Value {
    return (item) => steps.reduce<Value>((target, step) => this.context.attribute(target, step, true), item);
  }
}

function stepsOf(path: string): (string | number)[] {
  return path.split('.').map((step) => (/^\d+$/.test(step) ? Number(step) : step));
}

export interface Filter {
  /** Names of its arguments; `*` for any. */
  readonly names: string;
  apply(value: Value, given: FilterArguments): Value;
}

export const filter = (names: string, apply: Filter['apply']): Filter => ({ names, apply });
export const ofText = (change: (text: string) => string): Filter =>
  filter('', (value) => change(stringOf(value)));
