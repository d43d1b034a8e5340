/** Values that scripts leave to their user: empty ones, and variables without a value. */
import { z } from 'zod';
import type { MissingValue } from '../imported-run.js';

/** A path or name; a name may look like a number. */
export const text = z.union([z.string(), z.number().transform(String)]).optional();

export function filledIn(value: string | undefined): string | undefined {
  return value === undefined || value === '' || value.includes('$') ? undefined : value;
}

/** @param what belongs there: a noun phrase */
export function unfilled(key: string, value: string | undefined, what: string): MissingValue[] {
  if (filledIn(value) !== undefined) return [];
  const found = value === undefined || value === '' ? 'is not given' : `is ${value}`;
  return [{ key, message: `${found}: --set ${key}=PATH (${what}).` }];
}

/** A sentence where one device takes the place of several. */
export function deviceWarnings(devices: number): string[] {
  if (devices === 1) return [];
  return [
    `the script asks for ${devices} devices; this run uses one, and accumulates ${devices} times as many micro-batches, so that ` +
      'a step has as many rows.',
  ];
}
