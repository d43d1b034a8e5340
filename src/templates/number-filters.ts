/** Filters that make numbers, and sizes of files. */
import { type Filter, filter } from './filter.js';
import { padded, percentFormat } from './formatting.js';
import { strip } from './methods.js';
import { representation, stringOf } from './printing.js';
import { ValueFault } from './template-error.js';
import { defined, isText, numberOf, PythonFloat, type Value } from './values.js';

export const NUMBER_FILTERS: Readonly<Record<string, Filter>> = {
  abs: filter('', (value) => sameKind(value, Math.abs(number(value)))),
  filesizeformat: filter('binary', (value, given) => fileSize(number(value), given.isTrue('binary'))),
  float: filter('default', (value, given) => {
    const text = isText(value)
      ? strip(stringOf(value), undefined, true, true).replaceAll('_', '')
      : undefined;
    const parsed =
      text === undefined
        ? numberOf(value)
        : /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(text)
          ? Number(text)
          : undefined;
    const otherwise = given.get('default');
    if (parsed !== undefined) return new PythonFloat(parsed);
    return otherwise === undefined ? new PythonFloat(0) : otherwise;
  }),
  int: filter('default base', (value, given) => {
    const otherwise = given.get('default');
    const parsed = wholeOf(value, given.whole('base', 10));
    if (parsed !== undefined) return parsed;
    return otherwise === undefined ? 0 : otherwise;
  }),
  round: filter('precision method', (value, given) => {
    const [precision, method] = [given.whole('precision', 0), given.text('method', 'common')];
    const isWhole = !(value instanceof PythonFloat) && method === 'common';
    if (isWhole && precision >= 0) return Number(number(value));
    const result = rounded(number(value), precision, method);
    return isWhole ? result.value : result;
  }),
};

function number(value: Value): number {
  const found = numberOf(defined(value));
  if (found !== undefined) return found;
  throw new ValueFault(`expected a number, found ${representation(value)}`);
}

function sameKind(value: Value, result: number): Value {
  return value instanceof PythonFloat ? new PythonFloat(result) : result;
}

function wholeOf(value: Value, base: number): number | undefined {
  const given = numberOf(value);
  if (given !== undefined) return Number.isFinite(given) ? Math.trunc(given) : undefined;
  if (!isText(value)) return undefined;
  const text = strip(stringOf(value), undefined, true, true).replaceAll('_', '').toLowerCase();
  if (base === 10) {
    if (/^[-+]?\d+$/.test(text)) return Number(text);
    return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/.test(text) ? Math.trunc(Number(text)) : undefined;
  }
  const sign = text.startsWith('-') ? -1 : 1;
  const digits = text.replace(/^[-+]/, '').replace({ 16: /^0x/, 8: /^0o/, 2: /^0b/ }[base] ?? /^$/, '');
  const parsed = Number.parseInt(digits, base);
  return Number.isNaN(parsed) || parsed.toString(base) !== digits.replace(/^0+(?=.)/, '')
    ? undefined
    : sign * parsed;
}

function rounded(value: number, precision: number, method: string): PythonFloat {
  const factor = 10 ** precision;
  if (method === 'ceil') return new PythonFloat(Math.ceil(value * factor) / factor);
  if (method === 'floor') return new PythonFloat(Math.floor(value * factor) / factor);
  if (method !== 'common') throw new ValueFault('method must be common, ceil or floor');
  // Ties of the exact binary value go to the even digit.
  const places = Math.min(Math.max(precision, 0), 100);
  const size = Math.abs(value);
  if (precision < 0 || places > 70) return new PythonFloat(Math.round(value * factor) / factor);
  const nearest = Number(padded(percentFormat(`%.${places}f`, new PythonFloat(size)), 0, ' ', '>'));
  return new PythonFloat(value < 0 ? -nearest : nearest);
}

function fileSize(bytes: number, isBinary: boolean): string {
  const base = isBinary ? 1024 : 1000;
  if (bytes === 1) return '1 Byte';
  if (bytes < base) return `${bytes} Bytes`;
  const units = isBinary
    ? ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB']
    : ['kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB'];
  let power = 1;
  while (power < units.length && bytes >= base ** (power + 1)) power += 1;
  return `${(bytes / base ** power).toFixed(1)} ${units[power - 1]}`;
}
