// Prompt and decode speed of the engine, without HTTP; prints one line of JSON for each number of sequences.
//
//   node bench/generation.mjs --model DIR|FILE.gguf [--sequences 1,4,16] [--prompt 256] [--new 48] [--threads N] [--repetitions 3]
//     [--dtype bfloat16] [--kv-dtype int8] [--only prompt,decode,prefix,queue]
//     [--against llama_cpp.mjs --gguf FILE --from FOLDER [--rounds 2]]
//
// prompt: tokens of all prompts per second up to the last one's first token; decode: tokens of all sequences per second
// from there on; share: bytes of weights read in a decode step, as a part of the read bandwidth measured in this run.
// prefix: a prompt that has run before, against the first time. queue: milliseconds that the scheduler alone takes for a
// step with 1000 and with 4000 requests waiting. --against runs the peer's script in turns (it must find node-llama-cpp
// from the folder --from) and prints the ratios, the load before each run and the read bandwidth of each of ours. The best
// of the repetitions counts. A tied head is counted among the weights; of keys and values nothing is.
import { spawn } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Engine } from '../dist/generation/index.js';
import { loadModel } from '../dist/models/index.js';
import { namedLinears } from '../dist/nn/index.js';
import { IntegerLinear } from '../dist/quantization/index.js';
import { byteWidth, measureReadBandwidth, prepareRuntime } from '../dist/tensor/index.js';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    sequences: { type: 'string', default: '1,4,16' },
    prompt: { type: 'string', default: '256' },
    new: { type: 'string', default: '48' },
    threads: { type: 'string' },
    repetitions: { type: 'string', default: '3' },
    dtype: { type: 'string' },
    'kv-dtype': { type: 'string' },
    only: { type: 'string', default: 'decode,prefix,queue' },
    against: { type: 'string' },
    gguf: { type: 'string' },
    from: { type: 'string' },
    rounds: { type: 'string', default: '2' },
  },
});
if (values.model === undefined) throw new TypeError('--model DIR is required');
const [promptLength, newTokens, repetitions] = [values.prompt, values.new, values.repetitions].map(Number);
const counts = values.sequences.split(',').map(Number);

if (values.against !== undefined) {
  for (const count of counts) await compare(count);
  process.exit();
}

prepareRuntime(values.threads === undefined ? {} : { threads: Number(values.threads) });
const bandwidth = measureReadBandwidth();
const [loadStarted, cpuBefore] = [performance.now(), process.cpuUsage()];
const { model } = loadModel(values.model, {
  keepIntegers: true,
  ...(values.dtype !== undefined && { dtype: values.dtype }),
});
const loadSeconds = round((performance.now() - loadStarted) / 1e3);
const { user, system } = process.cpuUsage(cpuBefore);
const loadCpuSeconds = round((user + system) / 1e6);
const multiplied = model
  .namedParameters()
  .filter(([name]) => model.shape.tied || !name.startsWith('embedTokens'))
  .map(([, tensor]) => tensor);
const integers = [...namedLinears(model)]
  .map(([, layer]) => layer)
  .filter((layer) => layer instanceof IntegerLinear);
const weights =
  multiplied.reduce((sum, { numElements }) => sum + numElements, 0) +
  integers.reduce((sum, { inFeatures, outFeatures }) => sum + inFeatures * outFeatures, 0);
const weightBytes =
  multiplied.reduce((sum, { numElements, dtype }) => sum + numElements * byteWidth(dtype), 0) +
  integers.reduce((sum, { weightBytes }) => sum + weightBytes, 0);
const parts = values.only.split(',');
if (parts.includes('decode')) for (const count of counts) print(speed(count));
if (parts.includes('prefix')) print(prefixGain());
if (parts.includes('queue')) print(queueCost());

/** @param {object} line */
function print(line) {
  console.log(JSON.stringify({ ...line, load: loadavg()[0]?.toFixed(1), cpu: cpus()[0]?.model }));
}

/** @param {number} seed @param {number} length */
function promptIds(seed, length) {
  const span = Math.min(20000, model.shape.vocabSize - 300);
  return Array.from(
    { length },
    (_, index) => (model.shape.vocabSize > 600 ? 300 : 3) + ((index * 7919 + seed * 104729) % span),
  );
}

/** @param {number} count @param {object} [options] */
function createEngine(count, options = {}) {
  return new Engine(model, {
    cacheTokens: (promptLength + newTokens + 32) * count,
    prefixCache: false,
    maxBatchTokens: 512,
    kvDType: values['kv-dtype'],
    ...options,
  });
}

/** @param {number} count sequences together */
function speed(count) {
  const engine = createEngine(count);
  const best = { prompt: 0, decode: 0 };
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (let index = 0; index < count; index++)
      engine.submit(String(index), {
        promptIds: promptIds(repetition * 97 + index, promptLength),
        maxNewTokens: newTokens + 1,
      });
    const start = performance.now();
    const begun = new Set();
    let allBegun = 0;
    let made = 0;
    while (engine.hasWork) {
      const events = engine.step();
      if (allBegun > 0) made += events.reduce((sum, { ids }) => sum + ids.length, 0);
      for (const { id } of events) begun.add(id);
      if (allBegun === 0 && begun.size === count) allBegun = performance.now();
    }
    best.prompt = Math.max(best.prompt, (promptLength * count) / ((allBegun - start) / 1e3));
    best.decode = Math.max(best.decode, made / ((performance.now() - allBegun) / 1e3));
  }
  engine.dispose();
  const readPerSecond = (weightBytes * best.decode) / count / 1e9;
  return {
    sequences: count,
    ...{ weightBytes, loadSeconds, loadCpuSeconds },
    promptTokens: promptLength,
    newTokens,
    promptTokensPerSecond: round(best.prompt),
    promptGflops: round((2 * weights * best.prompt) / 1e9),
    decodeTokensPerSecond: round(best.decode),
    weightGBPerSecond: round(readPerSecond),
    readBandwidth: round(bandwidth),
    share: round(readPerSecond / bandwidth),
  };
}

/** Time to the first token of a long prompt, the first time and when all but its end is cached. */
function prefixGain() {
  const length = 4 * promptLength;
  const engine = createEngine(1, { cacheTokens: 2 * length + 64, prefixCache: true });
  const first = [];
  const again = [];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const ids = promptIds(repetition + 7, length);
    for (const [times, end] of /** @type {[number[], number][]} */ ([
      [first, 5],
      [again, 6],
    ])) {
      const start = performance.now();
      engine.submit('a', { promptIds: [...ids, end, end + 1], maxNewTokens: 1 });
      while (engine.hasWork) engine.step();
      times.push(performance.now() - start);
    }
  }
  engine.dispose();
  const [cold, warm] = [Math.min(...first), Math.min(...again)];
  return { prefix: length, firstMs: round(cold), againMs: round(warm), gain: round(cold / warm) };
}

/** What the scheduler itself takes: steps of one running text while others wait. */
function queueCost() {
  const medians = [0, 1000, 4000].map((waiting) => {
    const engine = createEngine(2, { maxSequences: 1 });
    engine.submit('running', { promptIds: [5, 6, 7], maxNewTokens: newTokens });
    engine.step();
    for (let index = 0; index < waiting; index++)
      engine.submit(`w${index}`, { promptIds: promptIds(index, 32), maxNewTokens: 4 });
    const times = [];
    for (let step = 0; step < 20; step++) {
      const start = performance.now();
      engine.step();
      times.push(performance.now() - start);
    }
    engine.dispose();
    return times.sort((a, b) => a - b)[10] ?? 0;
  });
  return {
    stepMs: { waiting0: round(medians[0]), waiting1000: round(medians[1]), waiting4000: round(medians[2]) },
  };
}

/** @param {number | undefined} value */
function round(value) {
  return Number((value ?? Number.NaN).toPrecision(4));
}

/** Both sides in turns, each in a process of its own. @param {number} count */
async function compare(count) {
  const threads = values.threads ?? String(cpus().length);
  const ours = [
    '--model',
    values.model,
    '--sequences',
    String(count),
    '--threads',
    threads,
    '--only',
    'decode',
  ];
  const sizes = ['--prompt', values.prompt, '--new', values.new];
  const best = { ours: { prompt: 0, decode: 0, share: 0 }, theirs: { prompt: 0, decode: 0 } };
  const [loads, bandwidths] = /** @type {[string[], number[]]} */ ([[], []]);
  const noteLoad = () => loads.push(loadavg()[0]?.toFixed(1) ?? '');
  for (let round = 0; round < Number(values.rounds); round++) {
    noteLoad();
    const own = await json([
      fileURLToPath(import.meta.url),
      ...ours,
      ...sizes,
      '--repetitions',
      values.repetitions,
      ...(values.dtype ? ['--dtype', values.dtype] : []),
    ]);
    bandwidths.push(own.readBandwidth);
    noteLoad();
    const peer = await json(
      [
        values.against,
        values.gguf,
        ...sizes,
        '--threads',
        threads,
        '--parallel',
        String(count),
        '--reps',
        values.repetitions,
      ],
      values.from,
    );
    best.ours.prompt = Math.max(best.ours.prompt, own.promptTokensPerSecond);
    best.ours.decode = Math.max(best.ours.decode, own.decodeTokensPerSecond);
    best.ours.share = Math.max(best.ours.share, own.share);
    best.theirs.prompt = Math.max(best.theirs.prompt, peer.promptTokensPerSecond);
    best.theirs.decode = Math.max(best.theirs.decode, peer.decodeTokensPerSecond);
  }
  const { ours: own, theirs } = best;
  console.log(
    JSON.stringify({
      sequences: count,
      promptTokens: promptLength,
      newTokens,
      ours: own,
      theirs,
      promptRatio: round(own.prompt / theirs.prompt),
      decodeRatio: round(own.decode / theirs.decode),
      readBandwidths: bandwidths,
      loads,
    }),
  );
}

/** @param {string[]} args @param {string} [cwd] @returns {Promise<any>} the last line of stdout */
function json(args, cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (piece) => {
      text += piece;
    });
    child.on('close', (code) => {
      const line = text.trim().split('\n').at(-1);
      if (code !== 0 || line === undefined) reject(new Error(`${args[0]} ended with ${code}`));
      else resolve(JSON.parse(line));
    });
  });
}
