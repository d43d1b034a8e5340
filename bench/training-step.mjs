// Speed of one float32 training step on an XVERSE-layout model; prints one line of JSON.
//
//   npm run bench:training-step -- [--layers 8] [--hidden 512] [--ffn 1376] [--heads 8] [--vocab 8000] [--batch 8]
//     [--length 256] [--steps 8] [--threads 2] [--recompute]
//
// The time is that of the best step, the first two apart. A step is all of forward, backward, gradient norm, clipping
// and AdamW. flopsPerToken: 6 for each parameter that is not the embedding, and 12 * layers * hidden * length for
// attention, not halved for causality (PaLM's count, arXiv 2204.02311, appendix B).
import { parseArgs } from 'node:util';
import { parseArchitecture } from '../dist/models/index.js';
import { initializeModule } from '../dist/nn/index.js';
import { Generator, prepareEngine, scope } from '../dist/tensor/index.js';
import { Trainer } from '../dist/training/index.js';

const { values } = parseArgs({
  options: {
    layers: { type: 'string', default: '8' },
    hidden: { type: 'string', default: '512' },
    ffn: { type: 'string', default: '1376' },
    heads: { type: 'string', default: '8' },
    vocab: { type: 'string', default: '8000' },
    batch: { type: 'string', default: '8' },
    length: { type: 'string', default: '256' },
    steps: { type: 'string', default: '8' },
    threads: { type: 'string', default: '2' },
    recompute: { type: 'boolean', default: false },
  },
});
/** @param {string} name */
const number = (name) => Number(values[name]);
const [layers, hidden, vocab, batch, length] = ['layers', 'hidden', 'vocab', 'batch', 'length'].map(number);
if (!layers || !hidden || !vocab || !batch || !length) throw new RangeError('sizes must be positive numbers');

prepareEngine({ threads: number('threads') });
const architecture = parseArchitecture(
  {
    model_type: 'xverse',
    vocab_size: vocab,
    hidden_size: hidden,
    intermediate_size: number('ffn'),
    num_hidden_layers: layers,
    num_attention_heads: number('heads'),
  },
  'bench',
);
const model = architecture.createModel();
scope(() => initializeModule(model, { rule: architecture.initRule, generator: new Generator(0) }));
const parameters = new Map(model.namedParameters());
const trainer = new Trainer(model, parameters, {
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  form: 'torch',
  weightDecay: 0,
  isSparedFromDecay: () => false,
  maxGradNorm: 1,
  recompute: values.recompute ? 'full' : 'none',
  lossAlignment: 'target',
  padTokenId: 0,
});
const rows = Array.from({ length: batch }, (_, row) => ({
  ids: Array.from({ length: length + 1 }, (_, index) => (row * 7919 + index * index * 104729) % vocab),
  lossMask: new Array(length + 1).fill(1),
}));
let best = Number.POSITIVE_INFINITY;
const losses = [];
for (let step = 0; step < number('steps'); step++) {
  const started = performance.now();
  losses.push(Number(trainer.step([rows], 3e-4).loss.toFixed(4)));
  if (step >= 2) best = Math.min(best, (performance.now() - started) / 1000);
}
const embedding = parameters.get('embedTokens.weight')?.numElements ?? 0;
const flopsPerToken = 6 * (model.parameterCount() - embedding) + 12 * layers * hidden * length;
const tokensPerSecond = (batch * length) / best;
console.log(
  JSON.stringify({
    peer: 'xinghe',
    dtype: 'float32',
    recompute: values.recompute,
    parameters: model.parameterCount(),
    batch,
    length,
    secondsPerStep: best,
    tokensPerSecond,
    flopsPerToken,
    gflopsPerSecond: (tokensPerSecond * flopsPerToken) / 1e9,
    peakMemoryMiB: process.resourceUsage().maxRSS / 1024,
    losses,
  }),
);
