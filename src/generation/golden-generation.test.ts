/** Golden greedy generations of every family: plain, left-padded, with penalties, across TeleChat-52B's 4096. */
import { expect, test } from 'vitest';
import { goldenFolder, goldenModels } from '../../tests/support/golden.js';
import { describeGoldenGeneration } from '../../tests/support/golden-generation.js';
import { loadModel } from '../models/index.js';
import { liveTensorCount, scope } from '../tensor/index.js';
import { Engine } from './engine/engine.js';

for (const folder of goldenModels) describeGoldenGeneration(folder);

test('200 decode steps leave the number of live tensors unchanged', () => {
  scope(() => {
    const { model } = loadModel(`${goldenFolder}xverse`);
    const engine = new Engine(model);
    engine.submit('a', { promptIds: [5, 6, 7], maxNewTokens: 300 });
    for (let step = 0; step < 10; step++) engine.step();
    const before = liveTensorCount();
    for (let step = 0; step < 200; step++) engine.step();
    expect(liveTensorCount()).toBe(before);
    engine.dispose();
    model.dispose();
  });
});
