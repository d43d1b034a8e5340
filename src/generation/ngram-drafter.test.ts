import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NgramDrafter } from './ngram-drafter.js';

type Options = Record<'minMatch' | 'maxMatch' | 'maxDraft', number>;

/** The definition: the longest match, of equally long ones the latest. */
function naiveDraft(ids: readonly number[], { minMatch, maxMatch, maxDraft }: Options): number[] {
  for (let width = Math.min(maxMatch, ids.length); width >= minMatch; width--) {
    const end = ids.slice(-width).join();
    for (let start = ids.length - width - 1; start >= 0; start--) {
      if (ids.slice(start, start + width).join() !== end) continue;
      const text = [...ids];
      for (let index = start + width; text.length < ids.length + maxDraft; index++)
        text.push(text[index] ?? -1);
      return text.slice(ids.length);
    }
  }
  return [];
}

const options = fc
  .record({ minMatch: fc.integer({ min: 1, max: 4 }), more: fc.nat(3), maxDraft: fc.nat(6) })
  .map(({ minMatch, more, maxDraft }) => ({ minMatch, maxMatch: minMatch + more, maxDraft }));

/** Of few different ids, so that they repeat; some large. */
const texts = fc.array(fc.constantFrom(0, 1, 2, 159999, 2 ** 31 - 1), { maxLength: 120 });

test('drafts are those of a search through the whole text, however the text came', () => {
  fc.assert(
    fc.property(texts, fc.nat(120), options, (ids, promptLength, parameters) => {
      const drafter = new NgramDrafter(ids.slice(0, promptLength), parameters);
      for (let length = promptLength; length < ids.length; length++) {
        drafter.add(ids[length] ?? 0);
        expect(drafter.draft()).toEqual(naiveDraft(ids.slice(0, length + 1), parameters));
      }
      expect(drafter.draft()).toEqual(naiveDraft(ids, parameters));
    }),
    { numRuns: 200 },
  );
});

test('a long text with many different sequences', () => {
  const parameters = { minMatch: 2, maxMatch: 3, maxDraft: 4 };
  let state = 1;
  const ids = Array.from({ length: 3000 }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >> 16) % 40;
  });
  const drafter = new NgramDrafter(ids.slice(0, 2500), parameters);
  for (let length = 2500; length < ids.length; length++) {
    expect(drafter.draft()).toEqual(naiveDraft(ids.slice(0, length), parameters));
    drafter.add(ids[length] ?? 0);
  }
});

test('what is proposed is taken from the longest match and runs on into itself', () => {
  expect(new NgramDrafter([1, 2, 3, 9, 2, 3, 7, 1, 2, 3], { maxDraft: 3 }).draft()).toEqual([9, 2, 3]);
  expect(new NgramDrafter([5, 6, 5, 6], { maxDraft: 5 }).draft()).toEqual([5, 6, 5, 6, 5]);
  expect(new NgramDrafter([5, 5, 5], { maxDraft: 3 }).draft()).toEqual([5, 5, 5]);
  expect(new NgramDrafter([1, 2, 3]).draft()).toEqual([]);
  expect(new NgramDrafter([]).draft()).toEqual([]);
});

test('beyond maxTokens the older half is forgotten', () => {
  const parameters = { minMatch: 2, maxMatch: 3, maxDraft: 2 };
  fc.assert(
    fc.property(fc.array(fc.nat(3), { minLength: 30, maxLength: 200 }), (ids) => {
      const drafter = new NgramDrafter([], { ...parameters, maxTokens: 32 });
      let known: number[] = [];
      for (const id of ids) {
        if (known.length === 32) known = known.slice(-16);
        known.push(id);
        drafter.add(id);
        expect(drafter.draft()).toEqual(naiveDraft(known, parameters));
      }
    }),
    { numRuns: 50 },
  );
});

test('refuses lengths that make no sense', () => {
  expect(() => new NgramDrafter([], { minMatch: 0 })).toThrow('n-gram lengths 0 to 4');
  expect(() => new NgramDrafter([], { minMatch: 3, maxMatch: 2 })).toThrow('n-gram lengths 3 to 2');
});
