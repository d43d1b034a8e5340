// A model of a family's published size, from random weights to tokens: written under its published names, quantised in
// bounded memory, loaded from the page cache, generated with. Prints a line of JSON for each step.
//
//   node bench/full-size.mjs --family xverse-13b --to DIR [--steps write,quantize,run] [--layers 40] [--bits int4]
//     [--scheme rtn] [--group-size 128] [--ends int8] [--prompt 128] [--new 16] [--dtype bfloat16] [--free]
//
// Families: xverse-13b, spark-13b, telechat-7b, telechat-12b, telechat-52b. DIR gets `full` (bfloat16, a file for each block;
// XVERSE-13B: 26 GB) and `quantized`; --free removes `full` once it is quantised. --layers writes the first blocks alone, at
// their full width. Weights are evenly spread random numbers that repeat after 8 million; norms are 1, biases small.
import { spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { publishedName } from '../dist/checkpoint/index.js';
import { writeSafetensors } from '../dist/formats/index.js';
import { parseArchitecture } from '../dist/models/index.js';

const { values } = parseArgs({
  options: {
    family: { type: 'string' },
    to: { type: 'string' },
    steps: { type: 'string', default: 'write,quantize,run' },
    layers: { type: 'string' },
    bits: { type: 'string', default: 'int4' },
    scheme: { type: 'string', default: 'rtn' },
    'group-size': { type: 'string', default: '128' },
    ends: { type: 'string' },
    dtype: { type: 'string' },
    prompt: { type: 'string', default: '128' },
    new: { type: 'string', default: '16' },
    free: { type: 'boolean', default: false },
  },
});
const POOL = 1 << 23; // elements
const PIECE = 1 << 20;
const ONE = 0x3f80; // 1 in bfloat16
const { family, to } = values;
if (family === undefined || to === undefined) throw new TypeError('--family NAME and --to DIR are required');

/** Sizes as published. @type {Record<string, (layers: number | undefined) => Record<string, unknown>>} */
const CONFIGS = {
  'xverse-13b': (layers = 40) => ({
    ...{ architectures: ['XverseForCausalLM'], model_type: 'xverse', hidden_act: 'silu', rms_norm_eps: 1e-6 },
    ...{ vocab_size: 100278, hidden_size: 5120, intermediate_size: 13824, num_hidden_layers: layers },
    ...{ num_attention_heads: 40, max_position_embeddings: 8192, tie_word_embeddings: false },
    ...{ bos_token_id: 2, eos_token_id: 3, pad_token_id: 1, torch_dtype: 'bfloat16' },
  }),
  'spark-13b': (layers = 40) => ({
    ...{ type: 'IFlytekSparkConfig', vocab_size: 60000, hidden_size: 5120, ffn_hidden_size: 28672 },
    ...{ num_layers: layers, num_heads: 40, seq_length: 32768, sparse_local_size: 8192 },
  }),
  'telechat-7b': (layers = 30) => telechat({ n_layer: layers, hidden_size: 4096, vocab_size: 160256 }, true),
  'telechat-12b': (layers = 38) =>
    telechat({ n_layer: layers, hidden_size: 5120, vocab_size: 120000 }, false),
  'telechat-52b': (layers = 64) => ({
    ...{
      architectures: ['TELECHAT'],
      model_type: 'telechat',
      activation_function: 'silu',
      add_bias_linear: false,
    },
    ...{ n_layer: layers, n_head: 64, n_embd: 8192, n_inner: 21824, vocab_size: 80896, n_positions: 4096 },
    ...{ relative_encoding: 'rotary', rotary_use_xpos: false, use_RMSNorm: true, use_mup: true },
    ...{ input_mult: 1.0, output_mult: 1.0, mup_scale_factor: 32.0, scale_attn_by_inverse_layer_idx: true },
    ...{ layer_norm_epsilon: 1e-5, tie_word_embeddings: false },
  }),
};

/** @param {Record<string, number>} sizes @param {boolean} tied */
function telechat(sizes, tied) {
  return {
    ...{ architectures: ['TelechatForCausalLM'], model_type: 'telechat', ...sizes, n_head: 32 },
    ...{ ffn_hidden_size: 12288, seq_length: 8192, training_seqlen: 8192, layer_norm_epsilon: 1e-5 },
    tie_word_embeddings: tied,
  };
}

const config = CONFIGS[family]?.(values.layers === undefined ? undefined : Number(values.layers));
if (config === undefined)
  throw new TypeError(`--family ${family}: choose one of ${Object.keys(CONFIGS).join(', ')}`);
const [full, quantized] = [join(to, 'full'), join(to, 'quantized')];
for (const step of values.steps.split(',')) {
  if (step === 'write') print('write', write());
  if (step === 'quantize') print('quantize', await quantize());
  if (step === 'run') print('run', await run());
}

/** @param {string} step @param {object} line */
function print(step, line) {
  console.log(JSON.stringify({ family, step, ...line, load: loadavg()[0]?.toFixed(1) }));
}

/** A file for the ends and one for each block: none of them is ever in memory. */
function write() {
  const started = performance.now();
  const architecture = parseArchitecture(config, family ?? '');
  const parameters = architecture.createModel().namedParameters();
  /** @type {Map<string, typeof parameters>} */
  const groups = new Map();
  for (const parameter of parameters) {
    const group = /^layers\.\d+/.exec(parameter[0])?.[0] ?? '';
    groups.set(group, [...(groups.get(group) ?? []), parameter]);
  }
  const pool = randomWeights(POOL);
  mkdirSync(full, { recursive: true });
  /** @type {Record<string, string>} */
  const weightMap = {};
  let bytes = 0;
  for (const [index, members] of [...groups.values()].entries()) {
    const file = `model-${digits(index + 1)}-of-${digits(groups.size)}.safetensors`;
    const tensors = members.map(([path, { shape }]) => ({
      ...{ name: publishedName(architecture.names, path), dtype: /** @type {const} */ ('bfloat16'), shape },
      bytes: () => contents(path, shape, pool),
    }));
    writeSafetensors(join(full, file), tensors, { format: 'pt' });
    for (const { name } of tensors) weightMap[name] = file;
    bytes += statSync(join(full, file)).size;
  }
  const text = JSON.stringify({ metadata: { total_size: bytes }, weight_map: weightMap });
  writeFileSync(join(full, 'model.safetensors.index.json'), text);
  writeFileSync(join(full, architecture.configFile), JSON.stringify(config, null, 2));
  const weights = parameters.reduce((sum, [, { numElements }]) => sum + numElements, 0);
  return { weights, bytes, seconds: seconds(started), peakBytes: process.resourceUsage().maxRSS * 1024 };
}

/** @param {number} number */
function digits(number) {
  return String(number).padStart(5, '0');
}

/** @param {string} path @param {readonly number[]} shape @param {Uint16Array} pool */
function* contents(path, shape, pool) {
  const elements = shape.reduce((product, size) => product * size, 1);
  if (shape.length === 1 && path.endsWith('weight')) {
    yield new Uint8Array(new Uint16Array(elements).fill(ONE).buffer);
    return;
  }
  for (let rest = elements; rest > 0; rest -= PIECE) {
    const start = Math.floor(Math.random() * (POOL - PIECE));
    const piece = pool.subarray(start, start + Math.min(rest, PIECE));
    yield new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength);
  }
}

/** 2^23 bfloat16 numbers, evenly spread, with the standard deviation of new weights. @param {number} count */
function randomWeights(count) {
  const floats = new Float32Array(count);
  const bound = 0.02 * Math.sqrt(12);
  for (let index = 0; index < count; index++) floats[index] = (Math.random() - 0.5) * bound;
  return Uint16Array.from(new Uint32Array(floats.buffer), (word) => word >>> 16);
}

async function quantize() {
  const started = performance.now();
  const program = fileURLToPath(new URL('../bin/xinghe', import.meta.url));
  const ends = values.ends === undefined ? [] : ['--ends', values.ends];
  const sizes = ['--scheme', values.scheme, '--group-size', values['group-size'], ...ends];
  const { stdout, peak } = await measured([
    ...[program, 'quantize', '--model', full, '--output', quantized, '--to', values.bits, ...sizes],
    ...['--overwrite', '--json'],
  ]);
  const { sourceBytes, bytes } = JSON.parse(stdout);
  if (values.free) rmSync(full, { recursive: true });
  return {
    ...{ scheme: values.scheme, groupSize: values['group-size'] },
    sourceBytes,
    bytes,
    seconds: seconds(started),
    ...peak,
  };
}

async function run() {
  const bytes = warm(quantized);
  const entry = fileURLToPath(new URL('../dist/bench/measure-entry.js', import.meta.url));
  const { readBandwidth } = JSON.parse((await measured([entry, 'probe'])).stdout);
  const [promptTokens, newTokens] = [Number(values.prompt), Number(values.new)];
  const settings = {
    model: quantized,
    sequences: 1,
    promptTokens,
    newTokens,
    repetitions: 1,
    dtype: values.dtype,
  };
  const { stdout, peak } = await measured([entry, 'generation', JSON.stringify(settings)]);
  return { fileBytes: bytes, readBandwidth, ...peak, ...JSON.parse(stdout) };
}

/** Reads all files once, so that loading does not wait for the disk. @param {string} folder @returns bytes */
function warm(folder) {
  const piece = Buffer.alloc(1 << 24);
  let bytes = 0;
  for (const name of readdirSync(folder)) {
    const descriptor = openSync(join(folder, name), 'r');
    for (let read = readSync(descriptor, piece); read > 0; read = readSync(descriptor, piece)) bytes += read;
    closeSync(descriptor);
  }
  return bytes;
}

/**
 * A program of Node and what it took: peakBytes counts pages of mapped files, peakOwnBytes does not; processor seconds of all threads.
 * @param {readonly string[]} args
 * @returns {Promise<{ stdout: string, peak: { peakBytes: number, peakOwnBytes: number, cpuSeconds: number } }>}
 */
function measured(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const peak = { peakBytes: 0, peakOwnBytes: 0, cpuSeconds: 0 };
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    const timer = setInterval(() => {
      try {
        const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
        const bytesOf = (/** @type {string} */ key) =>
          1024 * Number(new RegExp(`^${key}:\\s*(\\d+)`, 'm').exec(status)?.[1] ?? 0);
        peak.peakBytes = Math.max(peak.peakBytes, bytesOf('VmHWM'));
        peak.peakOwnBytes = Math.max(peak.peakOwnBytes, bytesOf('RssAnon'));
        const times = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
          .replace(/^.*\) /, '')
          .split(' ');
        peak.cpuSeconds = (Number(times[11]) + Number(times[12])) / 100;
      } catch {
        // It has ended.
      }
    }, 50);
    child.on('error', reject);
    child.on('close', (code) => {
      clearInterval(timer);
      if (code === 0) resolve({ stdout, peak });
      else reject(new Error(`${args.slice(0, 2).join(' ')} ended with code ${code}`));
    });
  });
}

/** @param {number} started */
function seconds(started) {
  return Number(((performance.now() - started) / 1000).toFixed(1));
}
