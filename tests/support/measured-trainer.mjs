// The trainer whose memory is measured, alone or as one of several ranks.
import { applyLora, initializeLora } from '../../dist/lora/index.js';
import { initializeModule } from '../../dist/nn/index.js';
import { RandomGenerator, scope } from '../../dist/tensor/index.js';
import { Trainer, trainingSettings } from '../../dist/training/index.js';

export function drawnModel(architecture, precision) {
  const model = architecture.createModel();
  scope(() =>
    initializeModule(model, {
      rule: architecture.initRule,
      generator: new RandomGenerator(0),
      dtype: precision.replace('-mixed', ''),
    }),
  );
  return model;
}

export function measuredTrainer(model, { steps, accumulation, precision, recompute, lora }, share) {
  let parameters = new Map(model.namedParameters());
  if (lora !== undefined) {
    const adapters = applyLora(model, (path) => path.startsWith('layers.'), { rank: lora.rank, alpha: 16 });
    scope(() => {
      for (const layer of adapters.values()) initializeLora(layer, new RandomGenerator(0));
    });
    parameters = new Map(model.namedParameters().filter(([path]) => /\.lora[AB]$/.test(path)));
  }
  const settings = trainingSettings({
    steps,
    schedule: 'constant',
    learning_rate: 3e-4,
    no_weight_decay: [],
    gradient_accumulation_steps: accumulation,
    precision,
    recompute,
  });
  return new Trainer(model, parameters, settings, { totalSteps: steps, padTokenId: 0, share });
}

/** A row of so many tokens, all learned but the first. */
export function measuredRow(first, tokens, vocabSize) {
  return {
    ids: Array.from({ length: tokens }, (_, index) => (first * 7919 + index * index * 104729) % vocabSize),
    lossMask: new Array(tokens).fill(1),
  };
}
