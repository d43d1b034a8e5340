// Speed of a training step that two processes of one core each share, beside the same without exchange and beside PyTorch's DDP and FSDP2.
//
//   node bench/data-parallel.mjs [--only apart,zero0,…] [--against PYTHON] [--layers 8] [--hidden 512] [--ffn 1376] [--heads 8] [--vocab 8000]
//     [--batch 4] [--length 256] [--steps 6] [--rounds 1]
//
// Forms of ours: apart (two processes that know nothing of each other: the figure without communication), zero0, zero1, zero2, zero3,
// tensor (the matrices shared, all rows on both); with --against PYTHON theirs: torch-apart, ddp, fsdp (bench/data-parallel-reference.py).
// Each round runs every form once, one after the other; a form's figure is its best round. Process r is pinned to core r and has one
// thread. The time of a step is the median over the steps behind the first two, on the slower process. For every form of ours the seconds by
// phase are of process 0; `exchange` is the sum of all gradients alone, through Gloo, with nothing computed beside it. One line of JSON each.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { rankEnvironment } from '../dist/distributed/index.js';
import { parseArchitecture } from '../dist/models/index.js';
import { initializeModule } from '../dist/nn/index.js';
import { prepareRuntime, RandomGenerator, scope, zeros } from '../dist/tensor/index.js';
import { Trainer, trainingSettings } from '../dist/training/index.js';
import { parallelSchema } from '../dist/training/parallel/parallel-config.js';
import { RunRanks } from '../dist/training/parallel/run-ranks.js';
import { PhaseClock } from '../dist/training/step/phase-clock.js';

const OURS = {
  apart: {},
  zero0: {},
  zero1: { zero: 1 },
  zero2: { zero: 2 },
  zero3: { zero: 3 },
  tensor: { tensor: 2, sequence: true },
};
const THEIRS = ['torch-apart', 'ddp', 'fsdp'];

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    form: { type: 'string' },
    against: { type: 'string' },
    layers: { type: 'string', default: '8' },
    hidden: { type: 'string', default: '512' },
    ffn: { type: 'string', default: '1376' },
    heads: { type: 'string', default: '8' },
    vocab: { type: 'string', default: '8000' },
    batch: { type: 'string', default: '4' },
    length: { type: 'string', default: '256' },
    steps: { type: 'string', default: '6' },
    rounds: { type: 'string', default: '1' },
  },
});
const SIZES = ['layers', 'hidden', 'ffn', 'heads', 'vocab', 'batch', 'length', 'steps'];
/** @param {string} name */
const number = (name) => Number(values[name]);

if (values.form === undefined) await compare();
else rank(values.form);

/** One of the two processes. @param {string} form */
function rank(form) {
  const environment = rankEnvironment();
  prepareRuntime({ threads: 1 });
  const parallel = parallelSchema.parse(OURS[form]);
  const ranks = environment && form !== 'apart' ? RunRanks.join(environment, parallel, form) : undefined;
  const architecture = parseArchitecture(
    {
      model_type: 'xverse',
      vocab_size: number('vocab'),
      hidden_size: number('hidden'),
      intermediate_size: number('ffn'),
      num_hidden_layers: number('layers'),
      num_attention_heads: number('heads'),
    },
    'bench',
  );
  const model = architecture.createModel();
  initializeModule(model, { rule: architecture.initRule, generator: new RandomGenerator(0) });
  const settings = trainingSettings({
    steps: number('steps'),
    schedule: 'constant',
    learning_rate: 3e-4,
    no_weight_decay: [],
    precision: 'float32',
  });
  const clock = new PhaseClock();
  const parameters = model.parameterCount();
  const trainer = new Trainer(model, new Map(model.namedParameters()), settings, {
    totalSteps: number('steps'),
    padTokenId: 0,
    clock,
    share: ranks?.share(architecture),
  });
  const first = Number(process.env.RANK) * number('batch') * (parallel.tensor > 1 ? 0 : 1);
  const rows = Array.from({ length: number('batch') }, (_, row) => ({
    ids: Array.from(
      { length: number('length') + 1 },
      (_, index) => ((first + row) * 7919 + index * index * 104729) % number('vocab'),
    ),
    lossMask: new Array(number('length') + 1).fill(1),
  }));
  const seconds = [];
  let phases = {};
  let loss = 0;
  for (let step = 0; step < number('steps'); step++) {
    const started = performance.now();
    loss = trainer.step([rows]).loss;
    seconds.push((performance.now() - started) / 1000);
    phases = clock.take();
  }
  const exchange = ranks && scope(() => exchangeSeconds(ranks.world.group, parameters));
  console.log(
    JSON.stringify({
      secondsPerStep: median(seconds.slice(2)),
      loss,
      parameters,
      phases,
      exchange,
      peakMemoryMiB: process.resourceUsage().maxRSS / 1024,
    }),
  );
  trainer.dispose();
  ranks?.leave();
}

/** Of one sum over all gradients. @param {import('../dist/distributed/index.js').ProcessGroup} group @param {number} elements */
function exchangeSeconds(group, elements) {
  const values = zeros([elements]);
  const times = [0, 1, 2].map(() => {
    const started = performance.now();
    group.allReduce(values).wait();
    return (performance.now() - started) / 1000;
  });
  return Math.min(...times);
}

/** All forms in turns. */
async function compare() {
  const forms = values.only?.split(',') ?? [
    ...Object.keys(OURS),
    ...(values.against === undefined ? [] : THEIRS),
  ];
  const best = new Map();
  for (let round = 0; round < number('rounds'); round++)
    for (const form of forms) {
      const results = await both(form);
      const slower = Math.max(...results.map(({ secondsPerStep }) => secondsPerStep));
      const result = {
        form,
        ...results[0],
        secondsPerStep: slower,
        peakMemoryMiB: Math.max(...results.map(({ peakMemoryMiB }) => peakMemoryMiB)),
      };
      if (!(best.get(form)?.secondsPerStep < slower)) best.set(form, result);
    }
  console.log(
    JSON.stringify({
      cpu: cpus()[0]?.model,
      cores: cpus().length,
      load: loadavg()[0],
      ...Object.fromEntries(SIZES.map((name) => [name, number(name)])),
    }),
  );
  for (const result of best.values()) {
    const apart = best.get(THEIRS.includes(result.form) ? 'torch-apart' : 'apart')?.secondsPerStep;
    const added = apart === undefined ? undefined : result.secondsPerStep - apart;
    console.log(
      JSON.stringify({
        ...result,
        // Rows a second; those of `tensor` are the same rows on both.
        ofApart: apart && apart / result.secondsPerStep / (result.form === 'tensor' ? 2 : 1),
        hidden:
          added === undefined || !result.exchange || result.form !== 'zero0'
            ? undefined
            : 1 - added / result.exchange,
      }),
    );
  }
}

/** @param {string} form @returns what each process printed */
async function both(form) {
  const port = await freePort();
  const sizes = SIZES.flatMap((name) => [`--${name}`, String(values[name])]);
  const command = THEIRS.includes(form)
    ? [values.against ?? 'python3', fileURLToPath(new URL('data-parallel-reference.py', import.meta.url))]
    : [process.execPath, fileURLToPath(import.meta.url)];
  return Promise.all(
    [0, 1].map(
      (own) =>
        new Promise((resolve, reject) => {
          const env = {
            ...process.env,
            RANK: String(own),
            LOCAL_RANK: String(own),
            WORLD_SIZE: '2',
            LOCAL_WORLD_SIZE: '2',
            MASTER_ADDR: '127.0.0.1',
            MASTER_PORT: String(port),
            OMP_NUM_THREADS: '1',
          };
          const args = ['-c', String(own % cpus().length), ...command, '--form', form, ...sizes];
          const child = spawn('taskset', args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
          let output = '';
          child.stdout.on('data', (piece) => {
            output += piece;
          });
          child.on('error', reject);
          child.on('close', (code) => {
            if (code !== 0) reject(new Error(`${form}, process ${own}: exit code ${code}`));
            else resolve(JSON.parse(output.trim().split('\n').at(-1) ?? ''));
          });
        }),
    ),
  );
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** @param {number[]} numbers */
function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
