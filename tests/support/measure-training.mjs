// A training of a few steps in a process of its own, for tests of its memory: prints what it planned and what it took.
//
//   node tests/support/measure-training.mjs '{"config": {…}, "precision": "float32", "length": 256, "microBatchSize": 8, …}'
//
// With "varying": true the rows of each step have lengths of their own, from an eighth of "length" to all of it.

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

const { config, steps = 2, varying = false, ...run } = JSON.parse(process.argv[2] ?? '{}');
const { length, microBatchSize, accumulation = 1, precision, recompute, lora } = run;

/** The longest first, then any from an eighth of it on. */
class RandomLengths {
  #state = 1;
  #isFirst = true;

  constructor(longest) {
    this.longest = longest;
  }

  next() {
    if (this.#isFirst) {
      this.#isFirst = false;
      return this.longest;
    }
    this.#state = (this.#state * 48271) % 2147483647;
    const least = Math.ceil(this.longest / 8);
    return least + (this.#state % (this.longest - least + 1));
  }
}

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
const lengths = new RandomLengths(length);
const rowsOfStep = () =>
  Array.from({ length: microBatchSize }, (_, row) => {
    const tokens = 1 + (varying ? lengths.next() : length);
    return {
      ids: Array.from({ length: tokens }, (_, index) => (row * 7919 + index * index * 104729) % vocabSize),
      lossMask: new Array(tokens).fill(1),
    };
  });
const seconds = [];
let loss = 0;
for (let step = 0; step < steps; step++) {
  const batches = Array.from({ length: accumulation }, rowsOfStep);
  const start = performance.now();
  ({ loss } = trainer.step(batches));
  seconds.push((performance.now() - start) / 1000);
}
const measured = peakResidentBytes();
const plan = planRun(architecture, {
  ...run,
  startBytes,
  rowsVary: varying,
  copiesTransposed: precision === 'float32' && linearRoute().gradWeight,
  emulatesBfloat16: precision.startsWith('bfloat16') && emulatesBfloat16(),
});
console.log(
  JSON.stringify({
    planned: plan.peakBytes,
    measured,
    tensors: plan.memory.total,
    startBytes,
    phase: plan.memory.phase,
    loss,
    medianSeconds: seconds.sort((a, b) => a - b)[Math.floor(steps / 2)],
  }),
);
