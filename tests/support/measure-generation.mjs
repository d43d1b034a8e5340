// Generation in a process of its own, for tests of its memory: prints what was planned and what it took.
//
//   node tests/support/measure-generation.mjs '{"path": "MODEL", "sequences": 4, "length": 256, "kvDType": "int8", "dtype": "bfloat16"}'
import { Engine } from '../../dist/generation/index.js';
import { loadModel, weightsOfFiles } from '../../dist/models/index.js';
import { prepareRuntime } from '../../dist/tensor/index.js';
import { peakResidentBytes, planGeneration, residentBytes } from '../../dist/training/index.js';

const NEW_TOKENS = 16;
const { path, dtype, sequences, length, kvDType } = JSON.parse(process.argv[2] ?? '{}');
prepareRuntime({ threads: 2 });
const startBytes = residentBytes();
const { model, architecture } = loadModel(path, { keepIntegers: true, dtype });
const loaded = peakResidentBytes();
const engine = new Engine(model, { cacheTokens: sequences * Math.ceil(length / 16) * 16, kvDType });
const { vocabSize } = architecture.shape;
for (let sequence = 0; sequence < sequences; sequence++)
  engine.submit(String(sequence), {
    promptIds: Array.from(
      { length: length - NEW_TOKENS },
      (_, index) => (sequence * 7919 + index * 31) % vocabSize,
    ),
    maxNewTokens: NEW_TOKENS,
    eosTokenIds: [],
    sampling: {},
  });
let tokens = 0;
while (engine.hasWork)
  for (const { ids, error } of engine.step()) {
    if (error !== undefined) throw error;
    tokens += ids.length;
  }
const measured = peakResidentBytes();
const plan = planGeneration(architecture, {
  weights: weightsOfFiles(path, architecture, dtype),
  ...{ sequences, length, kvDType, startBytes },
});
console.log(JSON.stringify({ planned: plan.total, measured, loaded, tokens, startBytes, plan }));
