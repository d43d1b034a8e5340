/**
 * Ten golden steps in 16 bit against the float64 losses. bfloat16: weights, gradients and moments in it; bfloat16-mixed:
 * float32 masters and moments, PyTorch's autocast.
 */
import { describe, expect, test } from 'vitest';
import { loadModel } from '../../src/models/index.js';
import { scope } from '../../src/tensor/index.js';
import { Trainer } from '../../src/training/step/trainer.js';
import { goldenDevice, goldenFolder, goldenJson, goldenTensors } from './golden.js';
import { type GoldenTraining, goldenRows, goldenSettings } from './golden-training.js';

// Logits of about 10 are rounded to 8 bits; losses are about 10. Seen on the CPU: 0.062 at TeleChat-7B's fourth step.
const ALLOWED = 0.12;

/** @param folder of a golden model */
export function describeNarrowTraining(folder: string, device = goldenDevice): void {
  const tensors = goldenTensors(`${folder}/train.safetensors`);
  const { full } = goldenJson<Record<string, GoldenTraining>>(`${folder}/train.json`);
  const run = full?.published_lr;
  if (full === undefined || run === undefined) return;
  describe(`${folder} in 16 bit`, () => {
    test.each(['bfloat16', 'bfloat16-mixed'] as const)('ten steps, %s', (precision) => {
      scope(() => {
        const path = `${goldenFolder}${folder}`;
        const configPath = full.config === undefined ? undefined : `${path}/${full.config}`;
        const { model, architecture } = loadModel(path, { dtype: 'bfloat16', device, configPath });
        const settings = goldenSettings(full.hyper, 1, precision);
        const trainer = new Trainer(model, new Map(model.namedParameters()), settings, {
          totalSteps: settings.steps ?? 0,
          padTokenId: architecture.padTokenId ?? 0,
          publishedName: (own) => architecture.names.toPublished(own),
        });
        for (const [step, golden] of run.steps_fp64.entries()) {
          const { loss } = trainer.step([goldenRows((name) => tensors(`full.${name}`).select(0, step))]);
          const apart = Math.abs(loss - golden.loss);
          expect(apart, `step ${step}: loss ${loss}, golden ${golden.loss}`).toBeLessThanOrEqual(ALLOWED);
        }
        trainer.dispose();
        model.dispose();
      });
    });
  });
}
