/** Runs of several ranks, each a process, against the same run of one: losses, norms, checkpoints, weights. */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSafetensorsModel, readTensorBytes } from '../src/formats/index.js';
import { goldenFolder, goldenModels } from './support/golden.js';
import { sparkConfig } from './support/plan-configs.js';

const script = fileURLToPath(new URL('support/train-ranks.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'xinghe-parallel-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const texts = join(folder, 'texts.jsonl');
const preferences = join(folder, 'preferences.jsonl');
const ROWS = 16;
const VOCABULARY = 1000;

/** A run: what is trained, and how a step is split into micro-batches by one process. */
interface Case {
  readonly name: string;
  readonly config: Record<string, unknown>;
  readonly training?: Record<string, unknown>;
  readonly sections?: Record<string, unknown>;
  /** Greatest relative difference of losses and norms. */
  readonly within: number;
}

/** Micro-batches of a step, on all ranks together. */
const MICRO_BATCHES = 4;

/** One of each kind of block; the others in the long run. */
const FAMILIES =
  process.env.XINGHE_TEST_LONG === '1'
    ? goldenModels
    : (['spark', 'telechat-52b', 'xverse', 'qwen2', 'qwen3moe'] as const).filter((name) =>
        goldenModels.includes(name),
      );

const familyCases: Case[] = FAMILIES.map((name) => ({
  name,
  config:
    name === 'spark'
      ? sparkConfig({ layers: 2, hidden: 32, intermediate: 24, heads: 2, vocab: VOCABULARY })
      : publishedConfig(name),
  within: 1e-10,
}));

const xverse = publishedConfig('xverse');
const lora = { rank: 4, dropout: 0.2, target_modules: ['q_proj', 'up_proj'] };
const dpo = { files: [preferences], form: 'preference' };

const cases: Case[] = [
  ...familyCases,
  { name: 'recompute', config: publishedConfig('qwen3'), training: { recompute: 'full' }, within: 1e-10 },
  // Rows that are left over: some ranks have a micro-batch less than others, or none.
  {
    name: 'epochs',
    config: xverse,
    training: { steps: undefined, epochs: 1.5, micro_batch_size: 2 },
    within: 1e-10,
  },
  // Adapters are of float32, whatever the model is of.
  { name: 'lora', config: xverse, sections: { lora }, within: 1e-5 },
  { name: 'noise', config: xverse, training: { neftune_noise_alpha: 5 }, within: 1e-10 },
  { name: 'mixed', config: xverse, training: { precision: 'bfloat16-mixed' }, within: 5e-3 },
  { name: 'scaled', config: xverse, training: { precision: 'float16-mixed' }, within: 5e-3 },
  {
    name: 'dpo',
    config: xverse,
    training: { objective: { loss: 'dpo' } },
    sections: { data: dpo, evaluation: { ...dpo, every: 3, max_rows: 5 } },
    within: 1e-10,
  },
];

function publishedConfig(name: string): Record<string, unknown> {
  const config: unknown = JSON.parse(readFileSync(`${goldenFolder}${name}/config.json`, 'utf8'));
  return { ...Object(config), vocab_size: VOCABULARY, eos_token_id: 3, bos_token_id: 2, pad_token_id: 1 };
}

/** @returns the file */
function writeConfig(runCase: Case, run: string, ranks: number, zero: number): string {
  const { name, config, training, sections } = runCase;
  const path = join(folder, `${run}-${name}.json`);
  const rows = { files: [texts], form: 'text', sequence_length: 24 };
  const content = {
    output: join(folder, run, name),
    threads: 1,
    deterministic: true,
    model: {
      tokenizer: `${goldenFolder}tokenizers/${name === 'spark' ? 'spark_like' : 'bbpe_gpt2'}`,
      config,
    },
    data: rows,
    evaluation: { ...rows, every: 3, max_rows: 5 },
    ...sections,
    training: {
      steps: 6,
      micro_batch_size: 1,
      gradient_accumulation_steps: MICRO_BATCHES / ranks,
      learning_rate: 1e-3,
      max_grad_norm: 0.5,
      weight_decay: 0.1,
      precision: 'float64',
      ...training,
    },
    parallel: ranks === 1 ? {} : { zero },
    checkpoints: { every: 3 },
  };
  writeFileSync(path, JSON.stringify(content));
  return path;
}

/** Ports that nobody has, one after the other. */
async function freePorts(count: number): Promise<number> {
  for (let port = 21_000 + (process.pid % 10_000); ; port += count)
    if ((await Promise.all(Array.from({ length: count }, (_, index) => isFree(port + index)))).every(Boolean))
      return port;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

async function train(files: readonly string[], ranks: number): Promise<void> {
  const port = await freePorts(files.length);
  const one = (rank: number): Promise<string> =>
    new Promise((resolve) => {
      const args = [script, String(rank), String(ranks), String(port), ...files];
      const env = { ...process.env, OMP_NUM_THREADS: '1' };
      const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (piece: Buffer) => {
          output += piece.toString();
        });
      child.on('close', (code) =>
        resolve(code === 0 ? '' : `rank ${rank} of ${ranks}, exit code ${code}:\n${output.slice(-3000)}`),
      );
    });
  const failed = (await Promise.all(Array.from({ length: ranks }, (_, rank) => one(rank)))).filter(
    (text) => text !== '',
  );
  if (failed.length > 0) throw new Error(failed.join('\n'));
}

const COMPARED = [
  'loss',
  'grad_norm',
  'eval_loss',
  'tokens',
  'learned_tokens',
  'learning_rate',
  'rewards/margins',
];

function metricsOf(run: string, name: string): Record<string, unknown>[] {
  const lines = readFileSync(join(folder, run, name, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line) => Object(JSON.parse(line)));
}

/** The greatest relative difference over all steps, and which it is. */
function metricsDifference(run: string, name: string): { readonly worst: number; readonly what: string } {
  const [wanted, found] = [metricsOf('one', name), metricsOf(run, name)];
  expect(found.length).toBe(wanted.length);
  let [worst, what] = [0, 'none'];
  for (const [line, record] of wanted.entries())
    for (const key of COMPARED) {
      const [a, b] = [record[key], found[line]?.[key]];
      if (a === undefined && b === undefined) continue;
      const difference = Math.abs(Number(a) - Number(b)) / Math.max(Math.abs(Number(a)), 1e-30);
      if (difference <= worst) continue;
      [worst, what] = [difference, `${key} of line ${line}: ${String(a)} and ${String(b)}`];
    }
  return { worst, what };
}

function tensorsOf(path: string): Map<string, Float64Array> {
  const { tensors } = openSafetensorsModel(path);
  return new Map(
    [...tensors].map(([name, entry]) => {
      const range = { path: entry.file, start: entry.byteStart, end: entry.byteEnd };
      const bytes = Uint8Array.from(readTensorBytes({ ...entry, ranges: [range] }));
      expect(entry.dtype, name).toBe('float64');
      return [name, new Float64Array(bytes.buffer)];
    }),
  );
}

/** The greatest difference of any element, and whose. */
function tensorsDifference(run: string, name: string, file: string): { worst: number; what: string } {
  const wanted = tensorsOf(join(folder, 'one', name, file));
  const found = tensorsOf(join(folder, run, name, file));
  expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
  let [worst, what] = [0, 'none'];
  for (const [tensor, values] of wanted)
    for (const [index, value] of values.entries()) {
      const difference = Math.abs(value - (found.get(tensor)?.[index] ?? Number.NaN));
      if (!(difference <= worst)) [worst, what] = [difference, `${tensor}[${index}]`];
    }
  return { worst, what };
}

const named = (...names: string[]): Case[] => cases.filter(({ name }) => names.includes(name));

// Every family where parameters are gathered; without that no family is different from another.
const LAYOUTS = [
  { run: 'two-0', ranks: 2, zero: 0, of: named('xverse', 'lora', 'noise', 'dpo', 'scaled') },
  { run: 'two-3', ranks: 2, zero: 3, of: cases },
  { run: 'four-1', ranks: 4, zero: 1, of: named('xverse', 'epochs') },
  { run: 'four-2', ranks: 4, zero: 2, of: named('epochs', 'mixed') },
] as const;

beforeAll(async () => {
  const lines = Array.from({ length: ROWS }, (_, index) =>
    JSON.stringify({ text: `Line ${index} says that ${index * 7} stars are seen. 星河${index}。` }),
  );
  writeFileSync(texts, `${lines.join('\n')}\n`);
  const pairs = Array.from({ length: ROWS }, (_, index) =>
    JSON.stringify({ prompt: `How many? ${index}`, chosen: `${index * 7} stars`, rejected: 'none 没有' }),
  );
  writeFileSync(preferences, `${pairs.join('\n')}\n`);
  await train(
    cases.map((one) => writeConfig(one, 'one', 1, 0)),
    1,
  );
  for (const { run, ranks, zero, of } of LAYOUTS)
    await train(
      of.map((one) => writeConfig(one, run, ranks, zero)),
      ranks,
    );
}, 600_000);

describe.each(LAYOUTS)('$ranks ranks, ZeRO $zero', ({ run, of }) => {
  it.each(of)('train $name as one process does', ({ name, within }) => {
    const { worst, what } = metricsDifference(run, name);
    expect(worst, what).toBeLessThan(within);
    if (within > 1e-9) return;
    for (const file of [
      'final',
      'checkpoints/step-3/model.safetensors',
      'checkpoints/step-3/optimizer.safetensors',
    ]) {
      const difference = tensorsDifference(run, name, file);
      expect(difference.worst, `${file}: ${difference.what}`).toBeLessThan(1e-9);
    }
  });
});

describe('a run goes on', () => {
  it.each([
    { from: 'two-3', ranks: 4, zero: 1 },
    { from: 'four-1', ranks: 1, zero: 0 },
    { from: 'one', ranks: 2, zero: 2 },
  ])('on $ranks rank(s), ZeRO $zero, from a checkpoint of $from', async ({ from, ranks, zero }) => {
    const run = `${from}-on-${ranks}`;
    const [one] = cases.filter(({ name }) => name === 'xverse');
    if (one === undefined) throw new Error('no case');
    cpSync(join(folder, from, one.name), join(folder, run, one.name), { recursive: true });
    for (const part of ['final', 'checkpoints/step-6'])
      rmSync(join(folder, run, one.name, part), { recursive: true });
    const config = writeConfig(one, run, ranks, zero);
    const resumed = config.replace('.json', '-resumed.json');
    cpSync(config, resumed);
    await train([resumed], ranks);
    const { worst, what } = metricsDifference(run, one.name);
    expect(worst, what).toBeLessThan(1e-10);
    const difference = tensorsDifference(run, one.name, 'final');
    expect(difference.worst, difference.what).toBeLessThan(1e-9);
  });
});
