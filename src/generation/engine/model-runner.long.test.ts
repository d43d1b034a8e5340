/** TeleChat's cache beyond the second step of its rotary base: seconds in float64. */
import { expect, test } from 'vitest';
import { inScope, oneByOne, telechatCacheDifference } from '../../../tests/support/paged-forward.js';

test('TeleChat across 8192 and 16384: cached keys keep the base of their own moment', () =>
  inScope(() => {
    // Alpha 1 -> 3 at 8193 and 3 -> 7 at 16385, in single steps.
    const chunks = [8190, ...oneByOne(4), 8188, ...oneByOne(4)];
    const { cached, inOnePiece } = telechatCacheDifference(8192, chunks, { layers: 1, probe: 8194 });
    expect(cached).toBeLessThanOrEqual(1e-10);
    expect(inOnePiece, 'the crossing is felt').toBeGreaterThan(1e-3);
  }));
