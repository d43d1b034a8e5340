// A training of a few steps in a process of its own, for tests of its memory: prints what it planned and what it took.
//
//   node tests/support/measure-training.mjs '{"config": {…}, "precision": "float32", "length": 256, "microBatchSize": 8, …}'

import { applyLora, initializeLora } from '../../dist/lora/index.js';
import { parseArchitecture } from '../../dist/models/index.js';
import { initializeModule } from '../../dist/nn/index.js';
import { Generator, linearRoute, prepareEngine, scope } from '../../dist/tensor/index.js';
import { peakResidentBytes, planRun, residentBytes, Trainer } from '../../dist/training/index.js';

const { config, steps = 2, ...run } = JSON.parse(process.argv[2] ?? '{}');
const { length, microBatchSize, accumulation = 1, precision, recompute, lora } = run;
prepareEngine({ threads: 2 });
const startBytes = residentBytes();
const architecture = parseArchitecture(config, 'test');
const model = architecture.createModel();
const isMixed = precision.endsWith('-mixed');
scope(() =>
  initializeModule(model, {
    rule: architecture.initRule,
    generator: new Generator(0),
    dtype: precision.replace('-mixed', ''),
  }),
);
let parameters = new Map(model.namedParameters());
if (lora !== undefined) {
  const adapters = applyLora(model, (path) => path.startsWith('layers.'), { rank: lora.rank, alpha: 16 });
  scope(() => {
    for (const layer of adapters.values()) initializeLora(layer, new Generator(0));
  });
  parameters = new Map(model.namedParameters().filter(([path]) => /\.lora[AB]$/.test(path)));
}
const trainer = new Trainer(model, parameters, {
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  form: 'torch',
  masterWeights: isMixed,
  weightDecay: 0,
  isSparedFromDecay: () => false,
  maxGradNorm: 1,
  recompute,
  lossAlignment: 'target',
  padTokenId: 0,
  accumulates: accumulation > 1,
});
const { vocabSize } = architecture.shape;
const rows = Array.from({ length: microBatchSize }, (_, row) => ({
  ids: Array.from({ length: length + 1 }, (_, index) => (row * 7919 + index * index * 104729) % vocabSize),
  lossMask: new Array(length + 1).fill(1),
}));
for (let step = 0; step < steps; step++) trainer.step(Array(accumulation).fill(rows), 3e-4);
const measured = peakResidentBytes();
const plan = planRun(architecture, {
  ...run,
  startBytes,
  copiesTransposed: precision === 'float32' && linearRoute().gradWeight,
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
