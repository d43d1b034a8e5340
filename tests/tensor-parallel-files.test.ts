/** Ranks that read their parts of a model from files, and train it as one process does. */
import { afterAll, test } from 'vitest';
import { goldenFolder } from './support/golden.js';
import { ALONE, type ParallelCase, ParallelRuns } from './support/parallel-runs.js';
import { writeTinyModel } from './support/tiny-model.js';

const runs = new ParallelRuns(3);
afterAll(() => runs.dispose());

test('two ranks of a model from files', async () => {
  const path = await writeTinyModel();
  const one: ParallelCase = {
    name: 'from-files',
    config: {},
    sections: { model: { path, tokenizer: `${goldenFolder}tokenizers/bbpe_gpt2` } },
    within: 1e-10,
  };
  await Promise.all([runs.run([one], ALONE), runs.run([one], { run: 'tensor-2', ranks: 2, tensor: 2 })]);
  runs.expectAsAlone('tensor-2', one);
}, 60_000);
