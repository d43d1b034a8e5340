import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRestrictions, type TokenRestrictions } from './token-restrictions.js';

const SIZE = 6;

/** Ids that are still possible in a row after a prompt and an output. */
function possible(
  restrictions: TokenRestrictions,
  prompt: readonly number[],
  output: readonly number[],
): number[] {
  const row = Float32Array.from({ length: SIZE }, (_, id) => id / 4);
  for (const restriction of createRestrictions(restrictions, prompt)) {
    for (const id of output) restriction.add(id);
    restriction.apply(row);
  }
  return [...row.keys()].filter((id) => {
    if (row[id] !== -Infinity) expect(row[id]).toBe(id / 4);
    return row[id] !== -Infinity;
  });
}

const ids = fc.array(fc.nat(SIZE - 1), { maxLength: 100 });

test('forbidden sequences: exactly the tokens that would complete one', () => {
  const sequence = fc.array(fc.nat(SIZE - 1), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(fc.array(sequence, { maxLength: 5 }), ids, ids, (forbiddenSequences, prompt, output) => {
      const text = [...prompt, ...output];
      const expected = Array.from({ length: SIZE }, (_, id) => id).filter((id) =>
        forbiddenSequences.every((each) => `,${[...text, id].slice(-each.length)}` !== `,${each}`),
      );
      expect(possible({ forbiddenSequences }, prompt, output)).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});

test('a sequence may stand in the text when it is complete before', () => {
  const restrictions = { forbiddenSequences: [[1, 2, 3], [4]] };
  expect(possible(restrictions, [1, 2], [])).toEqual([0, 1, 2, 5]);
  expect(possible(restrictions, [1], [2])).toEqual([0, 1, 2, 5]);
  expect(possible(restrictions, [1, 2], [5])).toEqual([0, 1, 2, 3, 5]);
});

test('allowed tokens: no others, with the logits they had', () => {
  expect(possible({ allowedTokenIds: [5, 1, 5] }, [], [])).toEqual([1, 5]);
  expect(possible({ allowedTokenIds: [5, 1], forbiddenSequences: [[1]] }, [], [])).toEqual([5]);
});

test('no stop id before so many tokens', () => {
  const restrictions = { minNewTokens: 2, stopTokenIds: [0, 3, 99] };
  expect(possible(restrictions, [1, 1, 1], [])).toEqual([1, 2, 4, 5]);
  expect(possible(restrictions, [], [4])).toEqual([1, 2, 4, 5]);
  expect(possible(restrictions, [], [4, 4])).toEqual([0, 1, 2, 3, 4, 5]);
});

test('makes none where nothing is asked for', () => {
  expect(createRestrictions({}, [1])).toEqual([]);
  expect(createRestrictions({ forbiddenSequences: [], minNewTokens: 0, stopTokenIds: [1] }, [1])).toEqual([]);
  expect(createRestrictions({ minNewTokens: 3 }, [1])).toEqual([]);
});

test.each<[TokenRestrictions, string]>([
  [{ allowedTokenIds: [] }, 'allowedTokenIds is empty'],
  [{ allowedTokenIds: [-1] }, 'allowedTokenIds names token -1; give token ids from 0'],
  [{ allowedTokenIds: [6] }, 'allowedTokenIds names token 6; the vocabulary has ids 0 to 5'],
  [{ forbiddenSequences: [[]] }, 'forbiddenSequences has an empty sequence'],
  [{ forbiddenSequences: [[1, 1.5]] }, 'forbiddenSequences names token 1.5'],
  [{ forbiddenSequences: [[6]] }, 'forbiddenSequences names token 6; the vocabulary has ids 0 to 5'],
  [{ minNewTokens: -1 }, 'minNewTokens is -1'],
])('refuses %j', (restrictions, message) => {
  expect(() => possible(restrictions, [], [])).toThrow(message);
});

test('a vocabulary of 160 000 costs little', () => {
  const row = new Float32Array(160_000);
  const forbiddenSequences = Array.from({ length: 1000 }, (_, index) => [index, index + 1, index + 2]);
  const restrictions = createRestrictions({ allowedTokenIds: [1, 2, 3], forbiddenSequences }, [1, 2, 3]);
  const start = performance.now();
  for (let step = 0; step < 200; step++)
    for (const restriction of restrictions) {
      restriction.apply(row);
      restriction.add(step % 7);
    }
  // About 15 microseconds a step; ten times that for a busy machine would still be far below a sampling step.
  expect((performance.now() - start) / 200).toBeLessThan(1);
});
