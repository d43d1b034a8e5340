// As measure-training.mjs, of one of several ranks: node measure-ranks.mjs RANK SIZE PORT '{"config": {…}, "layout": {…}, …}' FOLDER
// writes what it planned and what it took to FOLDER/RANK.json.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rankEnvironment } from '../../dist/distributed/index.js';
import { parseArchitecture } from '../../dist/models/index.js';
import { linearRoute, prepareRuntime } from '../../dist/tensor/index.js';
import { peakResidentBytes, planRun, residentBytes, sectionOfLayout } from '../../dist/training/index.js';
import { RunRanks } from '../../dist/training/parallel/run-ranks.js';
import { trainConfigSchema } from '../../dist/training/run/run-config.js';
import { createRunModel } from '../../dist/training/run/run-model.js';
import { measuredRow, measuredTrainer } from './measured-trainer.mjs';

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
const ranks = RunRanks.join(rankEnvironment(), sectionOfLayout(layout), text);
const architecture = parseArchitecture(config, 'test');
// As a run begins: of random weights a rank keeps its part.
const { model, cuts } = createRunModel(
  trainConfigSchema.parse({
    ...{ output: 'out', seed: 0, model: { config, tokenizer: 'tokenizer' }, data: { dataset: 'rows' } },
    ...{ training: { steps: 2, precision }, parallel: sectionOfLayout(layout) },
  }),
  ranks,
);
const trainer = measuredTrainer(
  model,
  { steps: 2, accumulation, precision, recompute, lora },
  ranks.share(architecture, cuts),
);
const { vocabSize } = architecture.shape;
const row = (first) => measuredRow(first, length + 1, vocabSize);
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
  beginning: 'part',
  startBytes,
  copiesTransposed: precision === 'float32' && linearRoute().gradWeight,
});
writeFileSync(
  join(folder, `${rank}.json`),
  JSON.stringify({
    // Ranks are numbered stage after stage.
    planned: plan.stages[Math.floor((rank * layout.pipeline) / size)].peakBytes,
    fullest: plan.peakBytes,
    measured,
    startBytes,
    stages: plan.stages,
  }),
);
ranks.leave();
