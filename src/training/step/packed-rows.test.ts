/** Texts packed into rows, each read on its own, against the same texts one in a row. */
import { describe, expect, test } from 'vitest';
import { goldenFolder, goldenModels } from '../../../tests/support/golden.js';
import { packSamples, type Row } from '../../data/index.js';
import { loadModel } from '../../models/index.js';
import { scope } from '../../tensor/index.js';
import { Trainer } from './trainer.js';
import { type TrainingSettings, trainingSettings } from './training-settings.js';

const texts: readonly Row[] = [7, 3, 12, 5, 9, 2, 4].map((length, text) => ({
  ids: Array.from({ length }, (_, index) => 3 + ((text * 37 + index * 11) % 90)),
  lossMask: Array.from({ length }, (_, index) => (index > 1 || text % 2 === 0 ? 1 : 0)),
}));

/** Loss and norm of the first step of a fresh model. */
function firstStep(
  folder: string,
  rows: readonly Row[],
  { documentAttention = true, ...changes }: Partial<TrainingSettings> & { documentAttention?: boolean } = {},
) {
  return scope(() => {
    const { model } = loadModel(`${goldenFolder}${folder}`, { dtype: 'float64' });
    const parameters = new Map(model.namedParameters());
    const settings = trainingSettings({ steps: 1, schedule: 'constant', ...changes });
    const trainer = new Trainer(model, parameters, settings, {
      totalSteps: 1,
      padTokenId: 0,
      documentAttention,
    });
    const result = trainer.step([rows]);
    trainer.dispose();
    return result;
  });
}

describe.each(goldenModels)('%s', (folder) => {
  test.each(['none', 'full'] as const)('packed equals unpacked, recompute %s', (recompute) => {
    const alone = firstStep(folder, texts, { recompute });
    const packed = firstStep(folder, packSamples(texts, 19).rows, { recompute });
    expect(packed.learnedTokens).toBe(alone.learnedTokens);
    expect(Math.abs(packed.loss - alone.loss)).toBeLessThan(1e-12 * alone.loss);
    expect(Math.abs(packed.gradNorm - alone.gradNorm)).toBeLessThan(1e-10 * alone.gradNorm);
  });

  test('packed equals unpacked in rows longer than one masked call takes', () => {
    const long: Row[] = [300, 411, 90].map((length, text) => {
      const ids = Array.from({ length }, (_, index) => 3 + ((text * 37 + index * 11) % 90));
      return { ids, lossMask: ids.map(() => 1) };
    });
    const alone = firstStep(folder, long);
    const packed = firstStep(folder, packSamples(long, 900).rows);
    expect(Math.abs(packed.loss - alone.loss)).toBeLessThan(1e-12 * alone.loss);
    expect(Math.abs(packed.gradNorm - alone.gradNorm)).toBeLessThan(1e-10 * alone.gradNorm);
  });

  test('without document attention they differ: the texts see each other', () => {
    const rows = packSamples(texts, 19).rows;
    const alone = firstStep(folder, texts);
    expect(Math.abs(firstStep(folder, rows, { documentAttention: false }).loss - alone.loss)).toBeGreaterThan(
      1e-3,
    );
  });
});

test('the mask of the input token, as Spark published it, counts no token twice', () => {
  const alone = firstStep('spark', texts, { loss_alignment: 'input' });
  const packed = firstStep('spark', packSamples(texts, 19).rows, { loss_alignment: 'input' });
  expect(Math.abs(packed.loss - alone.loss)).toBeLessThan(1e-6 * alone.loss);
});
