// Our side of a measurement: node measure.mjs training|decode --device cuda|cpu [--small]. A line of JSON for each figure.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Engine } from '../dist/generation/index.js';
import { parseArchitecture } from '../dist/models/index.js';
import { initializeModule, namedLinears } from '../dist/nn/index.js';
import { IntegerLinear } from '../dist/quantization/index.js';
import {
  byteWidth,
  full,
  noGrad,
  operator,
  prepareRuntime,
  RandomGenerator,
  scope,
  selectDevice,
} from '../dist/tensor/index.js';
import { Trainer, trainingSettings } from '../dist/training/index.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { device: { type: 'string', default: 'cuda' }, small: { type: 'boolean', default: false } },
});
const shapes = JSON.parse(readFileSync(new URL('shapes.json', import.meta.url), 'utf8'));
const shape = values.small ? shapes.small : shapes.full;
const device = selectDevice(values.device);
prepareRuntime();
if (positionals[0] === 'training') measureTraining(shape.training);
else if (positionals[0] === 'decode') measureDecode(shape.decode);
else throw new TypeError(`training or decode is measured; found "${positionals[0]}"`);

/** @param {object} line */
function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** A model of XVERSE's layout with random bfloat16 weights. @param {number} layers @param {number} vocab */
function createModel(layers, vocab) {
  const architecture = parseArchitecture(
    {
      model_type: 'xverse',
      vocab_size: vocab,
      hidden_size: shape.hidden,
      intermediate_size: shape.ffn,
      num_hidden_layers: layers,
      num_attention_heads: shape.heads,
    },
    'gpu-check',
  );
  const model = architecture.createModel();
  const generator = new RandomGenerator(0, device);
  noGrad(() =>
    scope(() =>
      initializeModule(model, { rule: architecture.initRule, generator, dtype: 'bfloat16', device }),
    ),
  );
  return model;
}

/** @param {{ layers: number, vocab: number, tokens: number, steps: number }} wanted */
function measureTraining({ layers, vocab, tokens, steps }) {
  const model = createModel(layers, vocab);
  const settings = trainingSettings({
    steps,
    schedule: 'constant',
    learning_rate: 1e-5,
    no_weight_decay: [],
    precision: 'bfloat16',
  });
  const parameters = new Map(model.namedParameters());
  const trainer = new Trainer(model, parameters, settings, { totalSteps: steps, padTokenId: 0 });
  const ids = Array.from({ length: tokens + 1 }, (_, index) => (index * index * 104729) % vocab);
  const rows = [{ ids, lossMask: new Array(tokens + 1).fill(1) }];
  let secondsPerStep = Number.POSITIVE_INFINITY;
  let loss = Number.NaN;
  for (let step = 0; step < steps; step++) {
    const start = performance.now();
    ({ loss } = trainer.step([rows]));
    if (step >= 2) secondsPerStep = Math.min(secondsPerStep, (performance.now() - start) / 1e3);
  }
  const multiplied = model.parameterCount() - (parameters.get('embedTokens.weight')?.numElements ?? 0);
  print({
    ...{ dtype: 'bfloat16', layers, hidden: shape.hidden, ffn: shape.ffn, heads: shape.heads, tokens, loss },
    secondsPerStep,
    flopsPerStep: 6 * multiplied * tokens + 6 * layers * shape.hidden * tokens * tokens,
  });
}

/** @param {{ layers: number, context: number, newTokens: number, groupSize: number, readBytes: number }} wanted */
function measureDecode({ layers, context, newTokens, groupSize, readBytes }) {
  const measuredBandwidth = readBandwidth(readBytes);
  const model = createModel(layers, shape.vocab);
  const facts = {
    layers,
    hidden: shape.hidden,
    ffn: shape.ffn,
    heads: shape.heads,
    context,
    measuredBandwidth,
  };
  const floats = model
    .namedParameters()
    .filter(([name]) => !name.startsWith('embedTokens'))
    .reduce((sum, [, { numElements, dtype }]) => sum + numElements * byteWidth(dtype), 0);
  print({
    ...facts,
    dtype: 'bfloat16',
    weightBytes: floats,
    secondsPerToken: secondsPerToken(model, context, newTokens),
  });
  const replaced = [...namedLinears(model)].filter(([path]) => path.startsWith('layers.'));
  let weightBytes = floats;
  for (const [path, layer] of replaced) {
    const integers = randomIntegers([layer.outFeatures, layer.inFeatures], groupSize);
    weightBytes += integers.weightBytes - 2 * layer.outFeatures * layer.inFeatures;
    model.replaceModule(path, integers);
    layer.dispose();
  }
  print({
    ...facts,
    dtype: 'int4',
    weightBytes,
    secondsPerToken: secondsPerToken(model, context, newTokens),
  });
}

/** The best step of one sequence. @param {any} model @param {number} context @param {number} newTokens */
function secondsPerToken(model, context, newTokens) {
  const engine = new Engine(model, {
    cacheTokens: context + newTokens + 64,
    prefixCache: false,
    maxBatchTokens: 512,
  });
  const promptIds = Array.from({ length: context }, (_, index) => 3 + ((index * 7919) % (shape.vocab - 3)));
  engine.submit('one', { promptIds, maxNewTokens: newTokens });
  let best = Number.POSITIVE_INFINITY;
  let isFirst = true;
  while (engine.hasWork) {
    const start = performance.now();
    const events = engine.step();
    const seconds = (performance.now() - start) / 1e3;
    // The first token ends the prompt.
    if (events.some(({ ids }) => ids.length > 0)) {
      if (!isFirst) best = Math.min(best, seconds);
      isFirst = false;
    }
  }
  engine.dispose();
  return best;
}

/** GB a second at which a sum reads. @param {number} bytes */
function readBandwidth(bytes) {
  return scope(() => {
    const values = full([bytes / 4], 1, { device });
    let best = Number.POSITIVE_INFINITY;
    for (let repetition = 0; repetition < 5; repetition++) {
      const start = performance.now();
      scope(() => void values.sum().item());
      best = Math.min(best, (performance.now() - start) / 1e3);
    }
    return bytes / best / 1e9;
  });
}

/** @param {[number, number]} sizes @param {number} groupSize */
function randomIntegers([outputs, inputs], groupSize) {
  const generator = new RandomGenerator(outputs, device);
  const random = operator('aten::random_.from');
  const groups = Math.ceil(inputs / groupSize);
  const packedInputs = (Math.ceil(inputs / 32) * 32) / 2;
  const bytes = (/** @type {number[]} */ sizes) => full(sizes, 8, { dtype: 'uint8', device });
  return noGrad(() => {
    const packed = scope(() => random(bytes([outputs, packedInputs]), 0, 256, generator)).keep();
    const scales = full([outputs, groups], 0.005, { dtype: 'float16', device }).keep();
    return new IntegerLinear([outputs, inputs], {
      ...{ bits: 4, groupSize, packed, scales, zeros: bytes([outputs, groups]).keep(), order: undefined },
    });
  });
}
