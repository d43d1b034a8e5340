/** The functions that every template has. */
import { stringOf } from './printing.js';
import { strftime } from './strftime.js';
import { RaisedFault, ValueFault } from './template-error.js';
import { Callable, Namespace, textOf, type Value, wholeNumber } from './values.js';

/** As Jinja's sandbox has it. */
const MAX_RANGE = 100_000;

/** @param now what `strftime_now` prints */
export function globalValues(now: () => Date): Map<string, Value> {
  return new Map<string, Value>([
    ['range', new Callable('range', (positional) => rangeOf(positional))],
    [
      'dict',
      new Callable(
        'dict',
        ([first], named) => new Map<Value, Value>([...(first instanceof Map ? first : []), ...named]),
      ),
    ],
    [
      'namespace',
      new Callable('namespace', ([first], named) => {
        const initial =
          first instanceof Map
            ? [...first].map(([key, value]): [string, Value] => [stringOf(key), value])
            : [];
        return new Namespace(new Map([...initial, ...named]));
      }),
    ],
    [
      'raise_exception',
      new Callable('raise_exception', ([message]) => {
        throw new RaisedFault(message === undefined ? 'raise_exception' : stringOf(message));
      }),
    ],
    [
      'strftime_now',
      new Callable('strftime_now', ([format]) => strftime(now(), textOf(format ?? '', 'strftime_now'))),
    ],
    ['joiner', new Callable('joiner', ([separator]) => joiner(separator ?? ', '))],
    ['cycler', new Callable('cycler', (items) => cycler(items))],
  ]);
}

function rangeOf(positional: readonly Value[]): Value[] {
  const [first = 0, second, third = 1] = positional.map((value) => wholeNumber(value, 'range'));
  if (positional.length === 0) throw new ValueFault('range expected at least 1 argument');
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  if (third === 0) throw new ValueFault('range() arg 3 must not be zero');
  const length = Math.max(Math.ceil((stop - start) / third), 0);
  if (length > MAX_RANGE)
    throw new ValueFault(`Range too big. The sandbox blocks ranges larger than MAX_RANGE (${MAX_RANGE}).`);
  return Array.from({ length }, (_, index) => start + index * third);
}

function joiner(separator: Value): Callable {
  let isUsed = false;
  return new Callable('joiner', () => {
    const text = isUsed ? stringOf(separator) : '';
    isUsed = true;
    return text;
  });
}

function cycler(items: readonly Value[]): Callable {
  if (items.length === 0) throw new ValueFault('at least one item has to be provided');
  let at = 0;
  return new Callable(
    'cycler',
    () => null,
    new Map<string, () => Value>([
      ['current', () => items[at]!],
      [
        'next',
        () =>
          new Callable('next', () => {
            const item = items[at]!;
            at = (at + 1) % items.length;
            return item;
          }),
      ],
      [
        'reset',
        () =>
          new Callable('reset', () => {
            at = 0;
            return null;
          }),
      ],
    ]),
  );
}
