// Speed of one training step on an XVERSE-layout model, or with --kv-heads on a Llama with grouped heads; prints one line of JSON.
//
//   npm run bench:training-step -- [--layers 8] [--hidden 512] [--ffn 1376] [--heads 8] [--vocab 8000] [--batch 8]
//     [--length 256] [--steps 8] [--threads 2] [--recompute] [--precision float32|bfloat16|bfloat16-mixed] [--lora RANK]
//     [--kv-heads 2] [--against PYTHON --script torch_train.py]
//
// bfloat16: weights, gradients and optimiser in it; bfloat16-mixed: float32 masters and moments (PyTorch's counterpart is
// autocast). With --kv-heads the PyTorch side is bench/training-step-reference.py unless another is named. --against runs that PyTorch script with the same sizes in turns, three rounds, and prints the ratios.
// The time is that of the best step, the first two apart. A step is all of forward, backward, gradient norm, clipping
// and AdamW. flopsPerToken: 6 for each parameter that is not the embedding, and 12 * layers * hidden * length for
// attention, not halved for causality (PaLM's count, arXiv 2204.02311, appendix B).
import { spawn } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { applyLora, initializeLora } from '../dist/lora/index.js';
import { parseArchitecture } from '../dist/models/index.js';
import { initializeModule } from '../dist/nn/index.js';
import { prepareRuntime, RandomGenerator, scope } from '../dist/tensor/index.js';
import { Trainer, trainingSettings } from '../dist/training/index.js';

const { values } = parseArgs({
  options: {
    layers: { type: 'string', default: '8' },
    hidden: { type: 'string', default: '512' },
    ffn: { type: 'string', default: '1376' },
    heads: { type: 'string', default: '8' },
    'kv-heads': { type: 'string' },
    vocab: { type: 'string', default: '8000' },
    batch: { type: 'string', default: '8' },
    length: { type: 'string', default: '256' },
    steps: { type: 'string', default: '8' },
    threads: { type: 'string', default: '2' },
    recompute: { type: 'boolean', default: false },
    precision: { type: 'string', default: 'float32' },
    lora: { type: 'string', default: '0' },
    against: { type: 'string' },
    script: { type: 'string' },
    rounds: { type: 'string', default: '3' },
  },
});
/** @param {string} name */
const number = (name) => Number(values[name]);
const [layers, hidden, vocab, batch, length] = ['layers', 'hidden', 'vocab', 'batch', 'length'].map(number);
if (!layers || !hidden || !vocab || !batch || !length) throw new RangeError('sizes must be positive numbers');

// The kernel's own figure of a child's peak memory, the same way for both sides.
const WRAPPER = `import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
sys.exit(code)`;

if (values.against !== undefined) {
  await compare();
  process.exit();
}
const dtype = values.precision === 'float32' ? 'float32' : 'bfloat16';

prepareRuntime({ threads: number('threads') });
const architecture = parseArchitecture(
  {
    ...(values['kv-heads'] === undefined
      ? { model_type: 'xverse' }
      : { model_type: 'llama', num_key_value_heads: number('kv-heads'), rms_norm_eps: 1e-6 }),
    vocab_size: vocab,
    hidden_size: hidden,
    intermediate_size: number('ffn'),
    num_hidden_layers: layers,
    num_attention_heads: number('heads'),
  },
  'bench',
);
const model = architecture.createModel();
scope(() =>
  initializeModule(model, { rule: architecture.initRule, generator: new RandomGenerator(0), dtype }),
);
let parameters = new Map(model.namedParameters());
const embedding = parameters.get('embedTokens.weight')?.numElements ?? 0;
const totalParameters = model.parameterCount();
if (number('lora') > 0) {
  const rank = number('lora');
  const adapters = applyLora(model, (path) => path.startsWith('layers.'), { rank, alpha: 2 * rank });
  const generator = new RandomGenerator(1);
  for (const layer of adapters.values()) initializeLora(layer, generator);
  parameters = new Map(model.namedParameters().filter(([path]) => /\.lora[AB]$/.test(path)));
}
const settings = trainingSettings({
  steps: number('steps'),
  schedule: 'constant',
  learning_rate: 3e-4,
  no_weight_decay: [],
  precision: values.precision,
  recompute: values.recompute ? 'full' : 'none',
});
const trainer = new Trainer(model, parameters, settings, { totalSteps: number('steps'), padTokenId: 0 });
const rows = Array.from({ length: batch }, (_, row) => ({
  ids: Array.from({ length: length + 1 }, (_, index) => (row * 7919 + index * index * 104729) % vocab),
  lossMask: new Array(length + 1).fill(1),
}));
let best = Number.POSITIVE_INFINITY;
const losses = [];
for (let step = 0; step < number('steps'); step++) {
  const started = performance.now();
  losses.push(Number(trainer.step([rows]).loss.toFixed(4)));
  if (step >= 2) best = Math.min(best, (performance.now() - started) / 1000);
}
const flopsPerToken = 6 * (totalParameters - embedding) + 12 * layers * hidden * length;
const tokensPerSecond = (batch * length) / best;
console.log(
  JSON.stringify({
    peer: 'xinghe',
    dtype: values.precision,
    lora: number('lora'),
    recompute: values.recompute,
    parameters: totalParameters,
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

/** Both sides in turns, each in a process of its own. */
async function compare() {
  const sizes = ['layers', 'hidden', 'ffn', 'heads', 'vocab', 'batch', 'length', 'steps', 'threads', 'lora'];
  const shared = sizes.flatMap((name) => [`--${name}`, String(values[name])]);
  const extra = [
    ...(values['kv-heads'] === undefined ? [] : ['--kv-heads', values['kv-heads']]),
    ...(values.recompute ? ['--recompute'] : []),
  ];
  const script =
    values.script ??
    (values['kv-heads'] === undefined
      ? 'torch_train.py'
      : fileURLToPath(new URL('training-step-reference.py', import.meta.url)));
  const peerDtype = values.precision === 'bfloat16-mixed' ? 'autocast' : values.precision;
  const ours = () =>
    run(process.execPath, [
      fileURLToPath(import.meta.url),
      ...shared,
      ...extra,
      '--precision',
      values.precision,
    ]);
  const theirs = () => run(values.against, [script, ...shared, ...extra, '--dtype', peerDtype]);
  console.log(
    `${cpus()[0]?.model}, ${cpus().length} cores; ${values.precision}, lora ${values.lora} ${extra.join(' ')}`,
  );
  const best = { ours: 0, theirs: 0, oursMemory: 0, theirsMemory: 0 };
  for (let round = 1; round <= number('rounds'); round++) {
    const [a, b] = [await ours(), await theirs()];
    best.ours = Math.max(best.ours, a.tokensPerSecond);
    best.theirs = Math.max(best.theirs, b.tokensPerSecond);
    best.oursMemory = Math.max(best.oursMemory, a.peak);
    best.theirsMemory = Math.max(best.theirsMemory, b.peak);
    console.log(
      `round ${round}, load ${loadavg()[0]?.toFixed(1)}: ours ${a.tokensPerSecond.toFixed(0)} tokens/s (${a.gflopsPerSecond.toFixed(0)} GFLOP/s), ` +
        `PyTorch ${b.tokensPerSecond.toFixed(0)}; ${(a.tokensPerSecond / b.tokensPerSecond).toFixed(2)}x`,
    );
  }
  console.log(
    `best: ours ${best.ours.toFixed(0)}, PyTorch ${best.theirs.toFixed(0)} tokens/s, ${(best.ours / best.theirs).toFixed(2)}x; ` +
      `peak memory ${best.oursMemory.toFixed(0)} against ${best.theirsMemory.toFixed(0)} MiB, ${(best.oursMemory / best.theirsMemory).toFixed(2)}x`,
  );
}

/** @param {string} command @param {string[]} args @returns {Promise<any>} its last line as JSON, with its peak memory in MiB */
function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn('/usr/bin/env', ['python3', '-c', WRAPPER, command, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      const lines = output.trim().split('\n');
      const peak = Number(lines.pop());
      if (code !== 0) reject(new Error(`${command} ended with ${code}`));
      else resolve({ ...JSON.parse(lines.pop() ?? ''), peak });
    });
  });
}
