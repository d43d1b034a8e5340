import type { GrammarBuilder, GrammarNode } from '../byte-grammar.js';
import {
  type Bound,
  integerGrammar,
  MAX_BOUND,
  type NumberBounds,
  numberGrammar,
} from '../number-grammar.js';
import {
  type Decimal,
  decimalOf,
  leastCommonMultiple,
  multiplesGrammar,
  TooManyRemainders,
} from '../number-multiples.js';
import { describe, type SchemaFields } from './schema-keywords.js';
import { NUMBER_FORMATS, STRING_FORMATS } from './string-formats.js';

/** The numbers that all parts allow. @throws InputError for bounds too far from 0, a step too large for the range */
export function numberNode(
  builder: GrammarBuilder,
  parts: readonly SchemaFields[],
  isInteger: boolean,
): GrammarNode {
  const bounds = boundsOf(parts);
  let step: Decimal | undefined;
  for (const part of parts) {
    const value = part.number('multipleOf');
    if (value === undefined) continue;
    if (value <= 0) throw part.fault('multipleOf', `expected a number above 0, found ${value}`);
    const own = decimalOf(value);
    if (own.places > MAX_PLACES)
      throw part.fault(
        'multipleOf',
        `at most ${MAX_PLACES} digits after the point are supported, found ${value}`,
      );
    step = step === undefined ? own : leastCommonMultiple(step, own);
  }
  if (step === undefined) return isInteger ? integerGrammar(builder, bounds) : numberGrammar(builder, bounds);
  try {
    return multiplesGrammar(builder, step, bounds, isInteger);
  } catch (error) {
    if (!(error instanceof TooManyRemainders)) throw error;
    const part = parts.find((each) => each.has('multipleOf'));
    throw (part ?? parts[0]!).fault(
      'multipleOf',
      `the keyword "multipleOf" is supported for steps up to some 10000 times a power of ten; found ${describe(part?.get('multipleOf'))}`,
    );
  }
}

const MAX_PLACES = 12;

function boundsOf(parts: readonly SchemaFields[]): NumberBounds {
  const lows: Bound[] = [];
  const highs: Bound[] = [];
  for (const part of parts) {
    lows.push(...bound(part, 'minimum', 'exclusiveMinimum', 1));
    highs.push(...bound(part, 'maximum', 'exclusiveMaximum', -1));
    const range = formatRange(part);
    if (range === undefined) continue;
    lows.push({ value: range.min, isExclusive: false });
    highs.push({ value: range.max, isExclusive: false });
  }
  // Of equal bounds the exclusive one is the stricter.
  const [min] = lows.sort((a, b) => b.value - a.value || Number(b.isExclusive) - Number(a.isExclusive));
  const [max] = highs.sort((a, b) => a.value - b.value || Number(b.isExclusive) - Number(a.isExclusive));
  return { ...(min && { min }), ...(max && { max }) };
}

/** @param sign 1 for lower bounds, -1 for upper ones */
function bound(part: SchemaFields, keyword: string, exclusiveKeyword: string, sign: 1 | -1): Bound[] {
  // Before 2019 the exclusive keyword was a boolean beside the bound.
  const isOld = typeof part.get(exclusiveKeyword) === 'boolean' && part.has(keyword);
  const bounds: Bound[] = [];
  const read = (key: string, isExclusive: boolean): void => {
    const value = part.number(key);
    if (value === undefined) return;
    if (value * sign >= MAX_BOUND)
      throw part.fault(key, `numbers this far from 0 are not supported, found ${value}`);
    bounds.push({ value, isExclusive });
  };
  if (isOld) read(keyword, part.get(exclusiveKeyword) === true);
  else {
    read(keyword, false);
    read(exclusiveKeyword, true);
  }
  return bounds;
}

/** Formats of strings say nothing about numbers. */
function formatRange(part: SchemaFields): { min: number; max: number } | undefined {
  const format = part.string('format');
  if (format === undefined || STRING_FORMATS.has(format)) return undefined;
  if (NUMBER_FORMATS.has(format)) return NUMBER_FORMATS.get(format);
  if (part.types()?.includes('string') === true) return undefined;
  throw part.fault('format', `the format ${describe(format)} is not supported for numbers`);
}
