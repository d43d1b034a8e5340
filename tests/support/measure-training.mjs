// A training of a few steps in a process of its own, for tests of its memory: prints what it planned and what it took.
//
//   node tests/support/measure-training.mjs '{"config": {…}, "precision": "float32", "length": 256, "microBatchSize": 8, …}'
//
// With "varying": true the rows of each step have lengths of their own, from an eighth of "length" to all of it.

import { parseArchitecture } from '../../dist/models/index.js';
import { emulatesBfloat16, linearRoute, prepareRuntime } from '../../dist/tensor/index.js';
import { peakResidentBytes, planRun, residentBytes } from '../../dist/training/index.js';
import { drawnModel, measuredRow, measuredTrainer } from './measured-trainer.mjs';

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
const model = drawnModel(architecture, precision);
const trainer = measuredTrainer(model, { steps, accumulation, precision, recompute, lora });
const { vocabSize } = architecture.shape;
const lengths = new RandomLengths(length);
const rowsOfStep = () =>
  Array.from({ length: microBatchSize }, (_, row) => {
    const tokens = 1 + (varying ? lengths.next() : length);
    return measuredRow(row, tokens, vocabSize);
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
