import { expect, test } from 'vitest';
import { capitalized, cleaned } from './context.js';

test('marks of pages go, a title ends a sentence', () => {
  expect(cleaned(' How to [title] Cut it [step] now.  Then ')).toBe('How to. Cut it now. Then');
  expect(cleaned('a [x] b')).toBe('a b');
  expect(cleaned('[title] a [b\nc] d    e')).toBe(' a [b\nc] d  e');
});

test('first letter up, the rest down', () => {
  expect(capitalized('a MAN sits')).toBe('A man sits');
  expect(capitalized('')).toBe('');
  expect(capitalized('ßA')).toBe('Ssa');
  expect(capitalized('ﬁX')).toBe('Fix');
  expect(capitalized('ǆ')).toBe('ǅ');
  expect(capitalized('ΑΣ')).toBe('Ας');
});
