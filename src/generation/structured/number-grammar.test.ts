import fc from 'fast-check';
import { expect, test } from 'vitest';
import { acceptor } from '../../../tests/support/grammars/accepts.js';

const ofSchema = (schema: object) => acceptor({ kind: 'json-schema', schema });
const bound = fc.oneof(
  fc.integer({ min: -1200, max: 1200 }),
  fc.integer({ min: -1_000_000_000_000, max: 1_000_000_000_000 }),
  fc.integer({ min: -4000, max: 4000 }).map((value) => value / 100),
  fc.constantFrom(0, -0, 0.1, 1e-7, -2.5e-9, 0.30000000000000004),
);

test('every double has a spelling that a number may have', () => {
  const accepts = ofSchema({ type: 'number' });
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const isBeyond = Math.abs(value) >= 1e308; // left out, as 1e999 would read as infinity
      expect(accepts(JSON.stringify(value))).toBe(!isBeyond);
    }),
  );
  for (const text of ['01', '+1', '.5', '1.', '1e', '--1', 'NaN', '1e999', ''])
    expect(accepts(text), text).toBe(false);
});

test('bounds of whole numbers are exact', () => {
  fc.assert(
    fc.property(
      bound,
      bound,
      fc.boolean(),
      fc.boolean(),
      fc.array(fc.integer({ min: -3, max: 3 })),
      (a, b, low, high, steps) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b) + 1];
        const schema = {
          type: 'integer',
          [low ? 'minimum' : 'exclusiveMinimum']: from,
          [high ? 'maximum' : 'exclusiveMaximum']: to,
        };
        const isWithin = (value: number) =>
          (low ? value >= from : value > from) &&
          (high ? value <= to : value < to) &&
          Math.abs(value) <= 1e15;
        let accepts: (text: string) => boolean;
        try {
          accepts = ofSchema(schema);
        } catch {
          for (let value = Math.ceil(from) - 1; value <= Math.ceil(from) + 2; value++)
            expect(isWithin(value)).toBe(false);
          return;
        }
        for (const near of [from, to, (from + to) / 2, 0]) {
          for (const step of steps) {
            const value = Math.round(near) + step + 0;
            expect(accepts(`${value}`), `${value}`).toBe(isWithin(value));
          }
        }
      },
    ),
  );
});

test('decimal numbers lie within their bounds, and those with few digits are all there', () => {
  fc.assert(
    fc.property(
      fc.record(
        { minimum: bound, exclusiveMinimum: bound, maximum: bound, exclusiveMaximum: bound },
        { requiredKeys: [] },
      ),
      fc.array(fc.tuple(bound, fc.integer({ min: -20, max: 20 }))),
      (bounds, values) => {
        fc.pre(Object.keys(bounds).length > 0);
        const isWithin = (value: number) =>
          value >= (bounds.minimum ?? -Infinity) &&
          value > (bounds.exclusiveMinimum ?? -Infinity) &&
          value <= (bounds.maximum ?? Infinity) &&
          value < (bounds.exclusiveMaximum ?? Infinity);
        let accepts: (text: string) => boolean;
        try {
          accepts = ofSchema({ type: 'number', ...bounds });
        } catch {
          for (const [value] of values) expect(isWithin(value), `${value}`).toBe(false);
          return;
        }
        const nearby = Object.values(bounds).flatMap((near) => values.map(([, step]) => near + step / 10));
        for (const exact of [...values.map(([value]) => value), ...nearby]) {
          const value = Number(exact.toFixed(4)) + 0;
          if (Math.abs(value) < 1e10) expect(accepts(plain(value)), plain(value)).toBe(isWithin(value));
        }
      },
    ),
    { numRuns: 300 },
  );
});

/** Without exponent. */
function plain(value: number): string {
  return String(value).includes('e') ? value.toFixed(4) : String(value);
}

test('bounds far away are as good as none', () => {
  const { MAX_SAFE_INTEGER } = Number;
  // What zod and others write for every whole number.
  const whole = ofSchema({ type: 'integer', minimum: -MAX_SAFE_INTEGER, maximum: MAX_SAFE_INTEGER });
  for (const value of [0, -7, MAX_SAFE_INTEGER, -MAX_SAFE_INTEGER])
    expect(whole(`${value}`), `${value}`).toBe(true);
  expect(whole('9007199254740992')).toBe(false);
  const decimal = ofSchema({ type: 'number', minimum: -1e300, maximum: 1e300 });
  for (const value of [0, -7.5, 999999999999999]) expect(decimal(`${value}`), `${value}`).toBe(true);
});
