/** Every golden logits case of every family: float64, float32, bfloat16. */
import { expect, test } from 'vitest';
import { isSlow, logitsDifference, logitsTests } from '../../tests/support/golden-logits.js';

test.for(logitsTests().filter((logitsTest) => !isSlow(logitsTest)))('$folder $name $dtype', (logitsTest) => {
  expect(logitsDifference(logitsTest)).toBeLessThanOrEqual(logitsTest.bound);
});
