// As measure-training.mjs, of one of several ranks: node measure-ranks.mjs RANK SIZE PORT '{"config": {…}, "layout": {…}, …}' FOLDER
// writes what it planned and what it took to FOLDER/RANK.json.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rankEnvironment } from '../../dist/distributed/index.js';
import { applyLora, initializeLora } from '../../dist/lora/index.js';
import { parseArchitecture } from '../../dist/models/index.js';
import { initializeModule } from '../../dist/nn/index.js';
import { linearRoute, prepareRuntime, RandomGenerator, scope } from '../../dist/tensor/index.js';
import {
  peakResidentBytes,
  planRun,
  residentBytes,
  Trainer,
  trainingSettings,
} from '../../dist/training/index.js';
import { RunRanks } from '../../dist/training/parallel/run-ranks.js';

const [rank, size, port, text, folder] = process.argv.slice(2);
Object.assign(process.env, {
  RANK: rank,
  WORLD_SIZE: size,
  MASTER_ADDR: '127.0.0.1',
  MASTER_PORT: port,
});
const { config, layout, ...run } = JSON.parse(text);
const { length, microBatchSize, accumulation = 1, precision, recompute, lora } = run;
prepareRuntime({ threads: 1 });
const startBytes = residentBytes();
const { data, zero, tensor, sequence } = layout;
const others = { pipeline: 1, schedule: '1f1b', context: 1 };
const ranks = RunRanks.join(rankEnvironment(), { data, zero, tensor, sequence, ...others }, text);
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
  steps: 2,
  schedule: 'constant',
  learning_rate: 3e-4,
  no_weight_decay: [],
  gradient_accumulation_steps: accumulation,
  precision,
  recompute,
});
const trainer = new Trainer(model, parameters, settings, {
  totalSteps: 2,
  padTokenId: 0,
  share: ranks.share(architecture),
});
const { vocabSize } = architecture.shape;
const row = (first) => ({
  ids: Array.from({ length: length + 1 }, (_, index) => (first * 7919 + index * index * 104729) % vocabSize),
  lossMask: new Array(length + 1).fill(1),
});
for (let step = 0; step < 2; step++)
  trainer.step(
    Array.from({ length: accumulation }, () =>
      Array.from({ length: microBatchSize }, (_, index) => row(index)),
    ),
  );
const measured = peakResidentBytes();
const plan = planRun(architecture, {
  ...run,
  layout,
  startBytes,
  copiesTransposed: precision === 'float32' && linearRoute().gradWeight,
});
writeFileSync(
  join(folder, `${rank}.json`),
  JSON.stringify({
    planned: plan.peakBytes,
    measured,
    startBytes,
    phase: plan.memory.phase,
    memory: plan.memory,
  }),
);
ranks.leave();
