// Attention whose query heads share keys and values. A decode step over a long context (bytes of keys and values read a
// second, beside what the machine reads), and forward + backward of whole rows.
//
//   node bench/grouped-attention.mjs [--heads 32] [--kv-heads 32,8,1] [--head-dims 64,128] [--context 8192]
//     [--dtypes bfloat16,float32] [--threads 2] [--seconds 0.3] [--training 1x1024,…] [--python PYTHON]
//
// --training ROWSxTOKENS measures whole rows instead of decoding; --python is an interpreter with torch, which then
// computes the same in a process of its own before ours.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { attention, BLOCK_SIZE } from '../dist/nn/index.js';
import {
  full,
  grad,
  intTensor,
  measureReadBandwidth,
  noGrad,
  operator,
  prepareRuntime,
  RandomGenerator,
  randn,
  scope,
} from '../dist/tensor/index.js';

const { values } = parseArgs({
  options: {
    heads: { type: 'string', default: '32' },
    'kv-heads': { type: 'string', default: '32,8,1' },
    'head-dims': { type: 'string', default: '64,128' },
    context: { type: 'string', default: '8192' },
    dtypes: { type: 'string', default: 'bfloat16,float32' },
    threads: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '0.3' },
    training: { type: 'string' },
    python: { type: 'string' },
  },
});
const numbers = (text) => text.split(',').map(Number);
const [heads, context, threads] = [values.heads, values.context, values.threads].map(Number);
const seconds = Number(values.seconds);
prepareRuntime({ threads });

/** Best and median of runs that fill the time, in milliseconds. @param {() => void} body */
function timed(body) {
  body();
  const times = [];
  const end = performance.now() + seconds * 1000;
  do {
    const start = performance.now();
    scope(body);
    times.push(performance.now() - start);
  } while (performance.now() < end);
  times.sort((a, b) => a - b);
  return { best: times[0], median: times[Math.floor(times.length / 2)] };
}

const pagedAttention = operator('xinghe::paged_attention');
const NO_CACHE_HOLDS = 512e6; // bytes

/** @returns {{ best: number, median: number, bytes: number }} of one layer's step, each with pages of its own */
function decode(dtype, kvHeads, headDim) {
  const isInt8 = dtype === 'int8';
  const computed = isInt8 ? 'bfloat16' : dtype;
  const bytes = 2 * context * kvHeads * headDim * { float32: 4, bfloat16: 2, float16: 2, int8: 1 }[dtype];
  const layers = Math.ceil(NO_CACHE_HOLDS / bytes);
  const blocks = Math.ceil((context + 1) / BLOCK_SIZE);
  return scope(() => {
    const pages = (shape) => full(shape, 1, { dtype });
    const scales = () => (isInt8 ? full([blocks, kvHeads, BLOCK_SIZE], 0.01) : undefined);
    const cache = Array.from({ length: layers }, () => [
      pages([blocks, kvHeads, headDim, BLOCK_SIZE]),
      pages([blocks, kvHeads, BLOCK_SIZE, headDim]),
      scales(),
      scales(),
    ]);
    const seen = full([blocks, BLOCK_SIZE], 1, { dtype: 'uint8' });
    const order = Array.from({ length: blocks }, (_, block) => (block * 7919) % blocks);
    const table = intTensor(order, [1, blocks], { dtype: 'int32' });
    const sequences = intTensor([0, 1, context, 0], [1, 4], { dtype: 'int32' });
    const row = (count) => randn([1, count, 1, headDim], new RandomGenerator(count), { dtype: computed });
    const [q, k] = [row(heads), row(kvHeads)];
    let layer = 0;
    const result = timed(() => {
      pagedAttention(q, k, k, ...cache[layer], seen, table, sequences, 0);
      layer = (layer + 1) % layers;
    });
    return { ...result, bytes };
  });
}

const print = (row) => console.log(Object.values(row).map(String).join(' | '));

if (values.training === undefined) {
  const before = measureReadBandwidth();
  console.log(
    `read bandwidth ${before.toFixed(1)} GB/s, ${threads} threads, context ${context}, ${heads} query heads`,
  );
  console.log('dtype | head_dim | kv heads | best ms | median ms | GB/s at best | share of read bandwidth');
  for (const dtype of values.dtypes.split(','))
    for (const headDim of numbers(values['head-dims']))
      for (const kvHeads of numbers(values['kv-heads'])) {
        const { best, median, bytes } = noGrad(() => decode(dtype, kvHeads, headDim));
        const rate = bytes / best / 1e6;
        print({
          dtype,
          headDim,
          kvHeads,
          best: best.toFixed(3),
          median: median.toFixed(3),
          rate: rate.toFixed(1),
          share: (rate / before).toFixed(2),
        });
      }
  console.log(`read bandwidth after it ${measureReadBandwidth().toFixed(1)} GB/s`);
} else {
  console.log(
    'dtype | rows x tokens | head_dim | kv heads | ours ms | torch, enable_gqa ms | torch, repeated ms',
  );
  const script = fileURLToPath(new URL('grouped-attention-reference.py', import.meta.url));
  for (const dtype of values.dtypes.split(','))
    for (const rows of values.training.split(','))
      for (const headDim of numbers(values['head-dims']))
        for (const kvHeads of numbers(values['kv-heads'])) {
          const [batch, tokens] = rows.split('x').map(Number);
          const call = { dtype, batch, tokens, heads, kvHeads, headDim, threads, seconds };
          const theirs =
            values.python === undefined
              ? { gqa: Number.NaN, repeated: Number.NaN }
              : JSON.parse(execFileSync(values.python, [script, JSON.stringify(call)], { encoding: 'utf8' }));
          const ours = scope(() => {
            const random = (count) =>
              randn([batch, tokens, count, headDim], new RandomGenerator(count), { dtype }).transpose(1, 2);
            const upstream = random(heads);
            const inputs = [random(heads), random(kvHeads), random(kvHeads)];
            for (const input of inputs) input.setRequiresGrad(true);
            const [q, k, v] = inputs;
            return timed(() => {
              const result = attention(q, k, v, { window: undefined, keyValid: undefined });
              grad([result], inputs, { gradOutputs: [upstream] });
            });
          });
          print({
            dtype,
            rows,
            headDim,
            kvHeads,
            ours: ours.best.toFixed(1),
            gqa: theirs.gqa.toFixed(1),
            repeated: theirs.repeated.toFixed(1),
          });
        }
}
