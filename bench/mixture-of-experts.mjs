// One layer of experts in Qwen3-30B-A3B's sizes: the grouped product, forward and backward, and the decoding of one token.
// node bench/mixture-of-experts.mjs [experts] [tokens]; bench/mixture-of-experts-reference.py is the loop in PyTorch.
import { loadavg } from 'node:os';
import { argv } from 'node:process';
import { initializeModule, MixtureOfExperts } from '../dist/nn/index.js';
import {
  getThreads,
  grad,
  noGrad,
  RandomGenerator,
  randn,
  scope,
  setInvariantLinear,
} from '../dist/tensor/index.js';

const experts = Number(argv[2] ?? 32);
const tokens = Number(argv[3] ?? 512);
const [hiddenSize, intermediateSize, perToken] = [2048, 768, 8];

/** Least and median seconds of `body`. */
function measure(body, times) {
  const seconds = Array.from({ length: times }, () => {
    const start = performance.now();
    scope(body);
    return (performance.now() - start) / 1000;
  }).toSorted((a, b) => a - b);
  return { least: seconds[0], median: seconds[Math.floor(times / 2)] };
}

const show = (name, { least, median }) =>
  console.log(`${name}: least ${(1000 * least).toFixed(1)} ms, median ${(1000 * median).toFixed(1)} ms`);

console.log(`load ${loadavg()[0].toFixed(1)}, ${getThreads()} threads, ${experts} experts, ${tokens} tokens`);
for (const dtype of ['float32', 'bfloat16']) {
  const module = new MixtureOfExperts({ hiddenSize, intermediateSize, experts, perToken, normalise: true });
  initializeModule(module, { rule: { kind: 'normal', std: 0.02 }, generator: new RandomGenerator(1), dtype });
  const parameters = module.namedParameters().map(([, parameter]) => parameter.setRequiresGrad(true));
  const x = randn([tokens, hiddenSize], new RandomGenerator(2), { dtype }).setRequiresGrad(true);
  show(
    `${dtype} forward and backward`,
    measure(() => grad([module.forward(x).sum()], [x, ...parameters]), 7),
  );
  const one = x.detach().narrow(0, 0, 1);
  setInvariantLinear(true);
  // Another token each time, so that no cache holds its experts.
  let token = 0;
  const decode = () => noGrad(() => module.forward(x.detach().narrow(0, token++ % tokens, 1)));
  const found = measure(decode, 60);
  setInvariantLinear(false);
  const width = dtype === 'float32' ? 4 : 2;
  const used = 3 * perToken * hiddenSize * intermediateSize * width;
  show(`${dtype} one token`, found);
  console.log(
    `  ${(used / 1e6).toFixed(1)} MB of ${((used * experts) / perToken / 1e6).toFixed(1)} are read: ${(used / found.median / 1e9).toFixed(1)} GB/s`,
  );
  one.dispose();
  module.dispose();
}
