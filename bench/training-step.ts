/**
 * Speed of one training step on an XVERSE-layout model; prints one JSON line with the keys of shared/peers'
 * torch_train.py, so that the two can be run in turn and compared.
 *
 *     node --import tsx bench/training-step.ts … is not needed: `node dist-bench/…`; see bench/README.md
 */
import { parseArgs } from 'node:util';
import { parseArchitecture } from '../src/models/index.js';
import { initializeModule } from '../src/nn/index.js';
import { Generator, prepareEngine, scope } from '../src/tensor/index.js';
import { Trainer } from '../src/training/index.js';

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
const number = (
  name: 'layers' | 'hidden' | 'ffn' | 'heads' | 'vocab' | 'batch' | 'length' | 'steps' | 'threads',
) => Number(values[name]);
const [layers, hidden, vocab, batch, length] = (
  ['layers', 'hidden', 'vocab', 'batch', 'length'] as const
).map(number);
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
  lossMask: new Array<number>(length + 1).fill(1),
}));
let best = Number.POSITIVE_INFINITY;
const losses: number[] = [];
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
