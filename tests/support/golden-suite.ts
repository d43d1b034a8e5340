/** Every golden number of the repository's models on one device: logits, losses, gradients, steps, greedy text. */
import { describe, expect, test } from 'vitest';
import { goldenDevice, goldenModels } from './golden.js';
import { describeGoldenGeneration } from './golden-generation.js';
import { type LogitsTest, logitsDifference, logitsTests } from './golden-logits.js';
import { describeGoldenTraining } from './golden-training.js';
import { describeNarrowTraining } from './narrow-training.js';

/** @param isWanted which of the logits. Default: all */
export function describeGoldens(
  device = goldenDevice,
  isWanted: (logitsTest: LogitsTest) => boolean = () => true,
): void {
  describe('logits', () => {
    test.for(logitsTests().filter(isWanted))('$folder $name $dtype', (logitsTest) => {
      expect(logitsDifference(logitsTest, device)).toBeLessThanOrEqual(logitsTest.bound);
    });
  });
  for (const folder of goldenModels) {
    describeGoldenGeneration(folder, device);
    describeGoldenTraining(folder, device);
    describeNarrowTraining(folder, device);
  }
}
