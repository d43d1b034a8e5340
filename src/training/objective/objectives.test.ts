/** Every objective in a trainer: steps on a small model, without files. */
import { expect, test } from 'vitest';
import type { Row } from '../../data/index.js';
import { type LoadedModel, parseArchitecture, withScoreHead } from '../../models/index.js';
import { initializeModule } from '../../nn/index.js';
import { liveTensorCount, RandomGenerator, scope } from '../../tensor/index.js';
import { Trainer } from '../step/trainer.js';
import { trainingSettings } from '../step/training-settings.js';
import { createObjective } from './create-objective.js';
import { type ObjectiveConfig, objectiveSchema } from './objective-config.js';

const LOSSES = ['dpo', 'ipo', 'simpo', 'orpo', 'kto', 'reward'] as const;

function tinyModel(config: ObjectiveConfig): LoadedModel['model'] {
  const architecture = parseArchitecture(
    {
      model_type: 'xverse',
      vocab_size: 50,
      hidden_size: 16,
      intermediate_size: 24,
      num_hidden_layers: 2,
      num_attention_heads: 2,
    },
    'test',
  );
  const model = architecture.createModel();
  const generator = new RandomGenerator(1);
  try {
    scope(() => initializeModule(model, { rule: { kind: 'normal', std: 0.3 }, generator }));
    if (config.loss !== 'reward') return model;
    return scope(() => withScoreHead({ model, architecture }, generator)).model;
  } finally {
    generator.dispose();
  }
}

/** Prompts of 3 ids and answers of other lengths. */
function rowsOf({ loss }: ObjectiveConfig): Row[] {
  return Array.from({ length: 4 }, (_, row): Row => {
    const lengths = [5 + row, 9 - row];
    return {
      ids: lengths.flatMap((length, side) =>
        Array.from({ length }, (_unused, at) =>
          at < 3 ? 5 + row + at : (row * 7 + side * 13 + at * 5) % 50,
        ),
      ),
      lossMask: lengths.flatMap((length) => Array.from({ length }, (_unused, at) => (at < 3 ? 0 : 1))),
      documents: lengths,
      comparison: {
        referenceLogProbs: [-10 - row, -20 + row],
        ...(loss === 'kto' && { isDesirable: row % 2 === 0 }),
      },
    };
  });
}

test.each(LOSSES)('%s: the loss falls, no tensor stays behind, micro-batches are one batch', (loss) => {
  const config = objectiveSchema.parse({ loss });
  const rows = rowsOf(config);
  const trainerOf = () => {
    const model = tinyModel(config);
    const settings = trainingSettings({
      steps: 20,
      schedule: 'constant',
      learning_rate: 1e-2,
      gradient_accumulation_steps: 2,
    });
    const trainer = new Trainer(model, new Map(model.namedParameters()), settings, {
      totalSteps: 20,
      padTokenId: 0,
      objective: createObjective(config, { padTokenId: 0 }),
    });
    return { model, trainer };
  };
  const { model, trainer } = trainerOf();
  const alive: number[] = [];
  const losses = Array.from({ length: 20 }, () => {
    const result = trainer.step([rows.slice(0, 2), rows.slice(2)]);
    alive.push(liveTensorCount());
    expect(result.metrics).toHaveProperty('rewards/margins');
    return result.loss;
  });
  expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) - 0.01);
  expect(new Set(alive.slice(1)).size, alive.join()).toBe(1);
  trainer.dispose();
  model.dispose();
  // kto estimates its KL term by micro-batch.
  if (loss === 'kto') return;
  const whole = trainerOf();
  expect(whole.trainer.step([rows]).loss).toBeCloseTo(losses[0] ?? Number.NaN, 5);
  whole.trainer.dispose();
  whole.model.dispose();
});
