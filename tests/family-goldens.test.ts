/** The golden models of the Llama layout that lie beside the repository: every case as those of the repository's own. */
import { basename } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sharedGoldenModels } from './support/golden.js';
import { describeGoldenGeneration } from './support/golden-generation.js';
import { logitsDifference, logitsTests } from './support/golden-logits.js';
import { describeGoldenTraining } from './support/golden-training.js';
import { casesOf } from './support/long-suite.js';
import { requires } from './support/requires.js';

const hasShared = requires(sharedGoldenModels.length > 0, '../shared/golden/families is absent');

describe('logits', hasShared, () => {
  test('every folder is found', () => expect(sharedGoldenModels.length).toBeGreaterThanOrEqual(9));

  test.for(
    logitsTests(sharedGoldenModels).map((logitsTest) => ({
      ...logitsTest,
      model: basename(logitsTest.folder),
    })),
  )('$model $name $dtype', (logitsTest) => {
    expect(logitsDifference(logitsTest)).toBeLessThanOrEqual(logitsTest.bound);
  });
});

for (const folder of sharedGoldenModels) describeGoldenGeneration(folder);

// The layers are those of the repository's own golden models, which are all trained in the quick suite.
for (const folder of casesOf(sharedGoldenModels, (_, index) => index % 3 === 0))
  describeGoldenTraining(folder);
