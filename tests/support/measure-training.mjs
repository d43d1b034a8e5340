// A training of a few steps in a process of its own, for tests of its memory: prints what it planned and what it took.
//
//   node tests/support/measure-training.mjs '{"config": {…}, "precision": "float32", "length": 256, "microBatchSize": 8, …}'

import { applyLora, initializeLora } from '../../dist/lora/index.js';
import { parseArchitecture } from '../../dist/models/index.js';
import { initializeModule } from '../../dist/nn/index.js';
import {
  emulatesBfloat16,
  linearRoute,
  prepareRuntime,
  RandomGenerator,
  scope,
} from '../../dist/tensor/index.js';
import {
  peakResidentBytes,
  planRun,
  residentBytes,
  Trainer,
  trainingSettings,
} from '../../dist/training/index.js';

const { config, steps = 2, ...run } = JSON.parse(process.argv[2] ?? '{}');
const { length, microBatchSize, accumulation = 1, precision, recompute, lora } = run;
prepareRuntime({ threads: 2 });
const startBytes = residentBytes();
const architecture = parseArchitecture(config, 'test');
const model = architecture.createModel();
scope(() =>
  initializeModule(model, {
    rule: architecture.initRule,
    generator: new RandomGenerator(0),
    dtype: precision.replace('-mixed', ''),
  }),
);
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
const trainer = new Trainer(model, parameters, settings, { totalSteps: steps, padTokenId: 0 });
const { vocabSize } = architecture.shape;
const rows = Array.from({ length: microBatchSize }, (_, row) => ({
  ids: Array.from({ length: length + 1 }, (_, index) => (row * 7919 + index * index * 104729) % vocabSize),
  lossMask: new Array(length + 1).fill(1),
}));
for (let step = 0; step < steps; step++) trainer.step(Array(accumulation).fill(rows));
const measured = peakResidentBytes();
const plan = planRun(architecture, {
  ...run,
  startBytes,
  copiesTransposed: precision === 'float32' && linearRoute().gradWeight,
  emulatesBfloat16: precision.startsWith('bfloat16') && emulatesBfloat16(),
});
console.log(
  JSON.stringify({
    planned: plan.peakBytes,
    measured,
    tensors: plan.memory.total,
    startBytes,
    moment: plan.memory.moment,
  }),
);
