// The products of inference, y = x W^T in xinghe::linear without a graph: the batch-invariant kernels against libtorch's
// own choice (for float32 its BLAS, MKL) and oneDNN with plain and with prepacked weights, in turns within one run. And,
// with --model, a decode step's linear layers of a whole model.
//
//   node bench/inference-products.mjs [--threads N] [--seconds 0.4] [--dtypes bfloat16,float32] [--shapes 2048x5504,…]
//   node bench/inference-products.mjs --model 1.3B|13B [--dtypes bfloat16]
//
// Up to 16 rows: GB/s of weights read, and their share of the read bandwidth measured in the same run; from 64 rows on
// GFLOP/s. The weights take turns so that no cache holds them. Printed is the best of all repetitions.
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import {
  byteWidth,
  cpuFeatures,
  getThreads,
  measureReadBandwidth,
  noGrad,
  operator,
  RandomGenerator,
  randn,
  scope,
  setInvariantLinear,
  setLinearRoute,
  setThreads,
  torchVersion,
} from '../dist/tensor/index.js';

const { values: options } = parseArgs({
  options: {
    threads: { type: 'string' },
    seconds: { type: 'string', default: '0.4' },
    dtypes: { type: 'string', default: 'bfloat16,float32' },
    shapes: { type: 'string', default: '2048x2048,2048x5504,5504x2048,2048x32000' },
    model: { type: 'string' },
  },
});
if (options.threads !== undefined) setThreads(Number(options.threads));
const dtypes = options.dtypes.split(',');
const seconds = Number(options.seconds);
const fewRows = [1, 2, 4, 8, 16];
const manyRows = [64, 256, 512];
const generator = new RandomGenerator(0);
const linear = operator('xinghe::linear');
const pointwise = operator('mkldnn::_linear_pointwise');
const reorder = operator('mkldnn::_reorder_linear_weight');

const onednn = (x, weight) => pointwise(x, weight, undefined, 'none', [], '');
/** Each takes one of the weights as it prepared them. */
const contestants = {
  'invariant [O, I]': { run: linear, invariant: true },
  'invariant [I, O]': {
    prepare: (weight) => weight.transpose(0, 1).contiguous(),
    run: (x, weight) => linear(x, weight.transpose(0, 1)),
    invariant: true,
  },
  libtorch: { run: operator('aten::linear') },
  oneDNN: { run: onednn },
  'oneDNN, prepacked': { prepare: (weight) => reorder(weight, 8), run: onednn },
};

/** More weights of this size than a cache holds. */
function weightsOf(inputs, outputs, dtype) {
  const count = Math.ceil(150e6 / (inputs * outputs * byteWidth(dtype)));
  return Array.from({ length: count }, () => randn([outputs, inputs], generator, { dtype }));
}

function timeOnce(run) {
  const start = performance.now();
  scope(() => void run());
  return (performance.now() - start) / 1000;
}

function describeMachine() {
  return (
    `${cpus()[0]?.model.trim()}, ${cpuFeatures().capability}, ${getThreads()} threads, load ${loadavg()[0].toFixed(1)}; ` +
    `libtorch ${torchVersion()}`
  );
}

function measureShape(inputs, outputs, dtype, bandwidth) {
  const weights = weightsOf(inputs, outputs, dtype);
  const rivals = Object.entries(contestants).flatMap(([name, { prepare, run, invariant }]) => {
    try {
      const prepared = prepare === undefined ? weights : weights.map(prepare);
      run(randn([1, inputs], generator, { dtype }), prepared[0]);
      return [{ name, run, invariant: invariant === true, prepared, best: new Map() }];
    } catch {
      return []; // oneDNN takes bfloat16 only where the processor has instructions for it.
    }
  });
  for (const rows of [...fewRows, ...manyRows]) {
    const x = randn([rows, inputs], generator, { dtype });
    for (const rival of rivals) rival.best.set(rows, Number.POSITIVE_INFINITY);
    const end = performance.now() + seconds * 1000;
    for (let round = 0; round < 3 || performance.now() < end; round++)
      for (const { run, invariant, prepared, best } of rivals) {
        setInvariantLinear(invariant);
        const weight = prepared[round % prepared.length];
        best.set(
          rows,
          Math.min(
            best.get(rows),
            timeOnce(() => run(x, weight)),
          ),
        );
      }
  }
  setInvariantLinear(false);
  const bytes = inputs * outputs * byteWidth(dtype);
  for (const { name, best } of rivals) {
    const few = fewRows.map((rows) => {
      const rate = bytes / best.get(rows) / 1e9;
      return `${rate.toFixed(1)} (${((100 * rate) / bandwidth).toFixed(0)} %)`;
    });
    const many = manyRows.map((rows) => ((2 * rows * inputs * outputs) / best.get(rows) / 1e9).toFixed(0));
    console.log(`| ${inputs} x ${outputs} | ${name} | ${[...few, ...many].join(' | ')} |`);
  }
}

function compareProducts() {
  for (const dtype of dtypes) {
    const bandwidth = measureReadBandwidth();
    console.log(`\n${dtype}; read bandwidth ${bandwidth.toFixed(1)} GB/s, load ${loadavg()[0].toFixed(1)}\n`);
    console.log(`| I x O | | ${fewRows.join(' | ')} rows, GB/s | ${manyRows.join(' | ')} rows, GFLOP/s |`);
    console.log(`| --- | --- |${' --- |'.repeat(fewRows.length + manyRows.length)}`);
    for (const shape of options.shapes.split(',')) {
      const [inputs, outputs] = shape.split('x').map(Number);
      noGrad(() => scope(() => measureShape(inputs, outputs, dtype, bandwidth)));
    }
  }
}

const models = {
  '1.3B': { hidden: 2048, intermediate: 5504, layers: 24, vocabulary: 32000 },
  '13B': { hidden: 5120, intermediate: 13824, layers: 40, vocabulary: 100352 },
};

/** Every linear layer of a model once, in order, on 1, 4 and 16 rows (a decode step) and on 256 (a prompt). */
function measureModel(name) {
  const shape = models[name];
  if (shape === undefined) throw new Error(`--model ${name}: it may be ${Object.keys(models).join(', ')}`);
  const { hidden, intermediate, layers, vocabulary } = shape;
  for (const dtype of dtypes) {
    const bandwidth = measureReadBandwidth();
    const matrix = (outputs, inputs) => randn([outputs, inputs], generator, { dtype });
    const blocks = Array.from({ length: layers }, () => ({
      attention: Array.from({ length: 4 }, () => matrix(hidden, hidden)),
      widen: [matrix(intermediate, hidden), matrix(intermediate, hidden)],
      narrow: matrix(hidden, intermediate),
    }));
    const head = matrix(vocabulary, hidden);
    const bytes = byteWidth(dtype) * hidden * (layers * (4 * hidden + 3 * intermediate) + vocabulary);
    console.log(
      `\n${name}, ${dtype}: ${(bytes / 1e9).toFixed(2)} GB of linear layers, read bandwidth ${bandwidth.toFixed(1)} GB/s\n`,
    );
    console.log('| rows | invariant, ms | tokens/s | GB/s | oneDNN, ms | tokens/s |');
    console.log('| --- | --- | --- | --- | --- | --- |');
    for (const rows of [1, 4, 16, 256]) {
      const x = randn([rows, hidden], generator, { dtype });
      const wide = randn([rows, intermediate], generator, { dtype });
      const step = (run) => {
        for (const { attention, widen, narrow } of blocks)
          scope(() => {
            for (const weight of attention) run(x, weight);
            for (const weight of widen) run(x, weight);
            run(wide, narrow);
          });
        run(rows > 16 ? x.narrow(0, 0, 1) : x, head);
      };
      const best = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
      const end = performance.now() + 8 * seconds * 1000;
      for (let round = 0; round < 3 || performance.now() < end; round++)
        for (const [i, run] of [linear, onednn].entries()) {
          setInvariantLinear(i === 0);
          best[i] = Math.min(
            best[i],
            timeOnce(() => step(run)),
          );
        }
      setInvariantLinear(false);
      const [ours, theirs] = best;
      console.log(
        `| ${rows} | ${(1e3 * ours).toFixed(1)} | ${(rows / ours).toFixed(1)} | ${(bytes / ours / 1e9).toFixed(1)} ` +
          `(${(bytes / ours / bandwidth / 1e7).toFixed(0)} %) | ${(1e3 * theirs).toFixed(1)} | ${(rows / theirs).toFixed(1)} |`,
      );
    }
  }
}

console.log(describeMachine());
setLinearRoute({ forward: false, gradInput: false, gradWeight: false });
if (options.model === undefined) compareProducts();
else noGrad(() => scope(() => measureModel(options.model)));
