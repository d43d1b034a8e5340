import { expect, test } from 'vitest';
import { dimensionOf, showDimension, TRACED_SIZES } from './dimension.js';

const shown = (of: (sizes: (typeof TRACED_SIZES)[number]) => number): string | number | undefined => {
  const found = dimensionOf(TRACED_SIZES.map(of));
  return found === undefined ? undefined : showDimension(found);
};

test('numbers that follow the sizes of the inputs', () => {
  expect(shown(() => 64)).toBe(64);
  expect(shown(({ batch }) => batch)).toBe('batch');
  expect(shown(({ tokens }) => tokens)).toBe('tokens');
  expect(shown(({ total }) => total)).toBe('total');
  expect(shown(({ past }) => past + 1)).toBe('past+1');
  expect(shown(({ total }) => 1 - total)).toBe('-1*total+1');
  expect(shown(({ batch, tokens }) => 8 * batch * tokens)).toBe('8*batch*tokens');
  expect(shown(({ batch, total }) => batch * total)).toBe('batch*total');
});

test('what no such form gives is no dimension', () => {
  expect(shown(({ tokens }) => tokens ** 2)).toBeUndefined();
  expect(shown(({ tokens }) => Math.ceil(tokens / 2))).toBeUndefined();
  expect(shown(({ batch, past, tokens }) => batch * past * tokens)).toBeUndefined();
});
