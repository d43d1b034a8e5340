import type { EvaluationContext } from './evaluation-context.js';
import { type Filter, FilterArguments, filter } from './filter.js';
import { LIST_FILTERS } from './list-filters.js';
import { NUMBER_FILTERS } from './number-filters.js';
import { ValueFault } from './template-error.js';
import { TEXT_FILTERS } from './text-filters.js';
import { isTrue, type NamedArguments, Undefined, type Value } from './values.js';

/** What may follow `|`. */
const orDefault = filter('default_value boolean', (value, given) => {
  const isMissing = value instanceof Undefined || (given.isTrue('boolean') && !isTrue(value));
  const otherwise = given.get('default_value');
  if (!isMissing) return value;
  return otherwise === undefined ? '' : otherwise;
});

const FILTERS: Readonly<Record<string, Filter>> = {
  ...TEXT_FILTERS,
  ...NUMBER_FILTERS,
  ...LIST_FILTERS,
  attr: filter('name', (value, given) => given.context.attribute(value, given.text('name', ''), false)),
  d: orDefault,
  default: orDefault,
};

export const FILTER_NAMES: ReadonlySet<string> = new Set(Object.keys(FILTERS));

/** @throws ValueFault for an unknown filter or values that it cannot take */
export function applyFilter(
  name: string,
  value: Value,
  positional: readonly Value[],
  named: NamedArguments,
  context: EvaluationContext,
): Value {
  if (!FILTER_NAMES.has(name)) throw new ValueFault(`there is no filter named "${name}"`);
  const found = FILTERS[name]!;
  if (Array.isArray(value) || typeof value === 'string') context.work(value.length);
  try {
    return found.apply(value, new FilterArguments(found.names, positional, named, context));
  } catch (error) {
    if (error instanceof ValueFault && !error.message.startsWith('|'))
      throw new ValueFault(`|${name}: ${error.message}`);
    throw error;
  }
}
