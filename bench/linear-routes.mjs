// GFLOP/s of the three float32 products of a linear layer (xinghe::linear) with libtorch's BLAS and with oneDNN, in
// turns within one run.
//
//   node bench/linear-routes.mjs [--threads N] [--rounds 40]
//
// Shapes: N rows, K input features, M output features. Printed is the best of the rounds.
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import {
  chooseLinearRoute,
  cpuFeatures,
  getThreads,
  grad,
  noGrad,
  operator,
  RandomGenerator,
  randn,
  scope,
  setThreads,
  torchVersion,
} from '../dist/tensor/index.js';

const { values: options } = parseArgs({
  options: { threads: { type: 'string' }, rounds: { type: 'string', default: '40' } },
});
if (options.threads !== undefined) setThreads(Number(options.threads));
const linear = operator('xinghe::linear');
const generator = new RandomGenerator(0);
const shapes = [
  [256, 512, 512],
  [1024, 512, 512],
  [1024, 512, 1536],
  [1024, 1536, 512],
  [1024, 512, 8192],
];
const libraries = ['blas', 'onednn'];

console.log(
  `${cpus()[0]?.model.trim()}, ${cpuFeatures().capability}, ${getThreads()} threads, load ${loadavg()[0].toFixed(1)}; ` +
    `libtorch ${torchVersion()}; GFLOP/s, BLAS / oneDNN`,
);
console.log('| N, K, M | forward | input gradient | weight gradient |');
console.log('| --- | --- | --- | --- |');
for (const [rows, inputs, outputs] of shapes)
  scope(() => {
    const x = randn([rows, inputs], generator).setRequiresGrad(true);
    const weight = randn([outputs, inputs], generator).setRequiresGrad(true);
    const gradOutputs = [randn([rows, outputs], generator)];
    const output = linear(x, weight);
    const products = [
      () => noGrad(() => linear(x, weight)),
      () => grad([output], [x], { gradOutputs, retainGraph: true }),
      () => grad([output], [weight], { gradOutputs, retainGraph: true }),
    ];
    const best = products.map(() => [0, 0]);
    for (let round = 0; round < Number(options.rounds); round++)
      for (const [i, product] of products.entries())
        for (const [j, library] of libraries.entries()) {
          process.env.XINGHE_LINEAR = library;
          chooseLinearRoute();
          const start = performance.now();
          scope(() => void product());
          const gflops = (2 * rows * inputs * outputs) / (performance.now() - start) / 1e6;
          best[i][j] = Math.max(best[i][j], gflops);
        }
    const cells = best.map((pair) => pair.map((value) => value.toFixed(0)).join(' / '));
    console.log(`| ${[rows, inputs, outputs].join(', ')} | ${cells.join(' | ')} |`);
  });
