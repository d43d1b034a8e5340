/** The golden logits cases that are too slow for the default run. */
import { expect, test } from 'vitest';
import { isSlow, logitsDifference, logitsTests } from '../../tests/support/golden-logits.js';

test.for(logitsTests().filter(isSlow))('$folder $name $dtype', (logitsTest) => {
  expect(logitsDifference(logitsTest)).toBeLessThanOrEqual(logitsTest.bound);
});
