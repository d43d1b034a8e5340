/** A training step of random weights: forward, backward, gradient norm, clipping, AdamW. */
import { applyLora, initializeLora } from '../../lora/index.js';
import { parseArchitecture } from '../../models/index.js';
import { initializeModule } from '../../nn/index.js';
import { prepareRuntime, RandomGenerator, scope } from '../../tensor/index.js';
import { Trainer, trainingSettings } from '../../training/index.js';
import { type TrainSettings, WARM_UP_STEPS } from './train-settings.js';

export interface TrainValues {
  readonly parameters: number;
  readonly secondsPerStep: number;
  readonly tokensPerSecond: number;
  readonly flopsPerToken: number;
  readonly gflopsPerSecond: number;
  readonly losses: readonly number[];
}

/**
 * The best step counts. Operations of a token: 6 for each parameter but the embedding's, and 12 * layers * hidden * length for
 * attention, not halved for causality (PaLM, arXiv 2204.02311, appendix B).
 */
export function measureTrain(settings: TrainSettings): TrainValues {
  const { batch, length, steps } = settings;
  prepareRuntime(settings.threads === undefined ? {} : { threads: settings.threads });
  const { trainer, shape, parameters, counted } = createTrainer(settings);
  const rows = Array.from({ length: batch }, (_, row) => ({
    ids: Array.from(
      { length: length + 1 },
      (_, index) => (row * 7919 + index * index * 104729) % shape.vocabSize,
    ),
    lossMask: new Array<number>(length + 1).fill(1),
  }));
  let best = Number.POSITIVE_INFINITY;
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const started = performance.now();
    losses.push(Number(trainer.step([rows]).loss.toFixed(4)));
    if (step >= WARM_UP_STEPS) best = Math.min(best, (performance.now() - started) / 1000);
  }
  const flopsPerToken = 6 * counted + 12 * shape.numLayers * shape.hiddenSize * length;
  const tokensPerSecond = (batch * length) / best;
  return {
    parameters,
    secondsPerStep: best,
    tokensPerSecond,
    flopsPerToken,
    gflopsPerSecond: (tokensPerSecond * flopsPerToken) / 1e9,
    losses,
  };
}

function createTrainer({ config, precision, lora, recompute, steps }: TrainSettings) {
  const architecture = parseArchitecture(config, 'bench');
  const model = architecture.createModel();
  scope(() =>
    initializeModule(model, {
      rule: architecture.initRule,
      generator: new RandomGenerator(0),
      dtype: precision === 'float32' ? 'float32' : 'bfloat16',
    }),
  );
  let trained = new Map(model.namedParameters());
  const total = model.parameterCount();
  const embedding = trained.get('embedTokens.weight')?.numElements ?? 0;
  if (lora > 0) {
    const adapters = applyLora(model, (path) => path.startsWith('layers.'), { rank: lora, alpha: 2 * lora });
    const generator = new RandomGenerator(1);
    for (const layer of adapters.values()) initializeLora(layer, generator);
    trained = new Map(model.namedParameters().filter(([path]) => /\.lora[AB]$/.test(path)));
  }
  const options = trainingSettings({
    steps,
    schedule: 'constant',
    learning_rate: 3e-4,
    no_weight_decay: [],
    precision,
    recompute: recompute ? 'full' : 'none',
  });
  return {
    trainer: new Trainer(model, trained, options, { totalSteps: steps, padTokenId: 0 }),
    shape: model.shape,
    parameters: total,
    counted: total - embedding,
  };
}
