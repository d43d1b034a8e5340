/** Runs of several ranks, each a process, and how far they are from the same run of one. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { openSafetensorsModel, readTensorBytes } from '../../src/formats/index.js';
import { goldenFolder } from './golden.js';
import { sparkConfig } from './plan-configs.js';
import { spawnRanks } from './spawn-ranks.js';

const script = fileURLToPath(new URL('train-ranks.mjs', import.meta.url));

const ROWS = 16;
export const VOCABULARY = 1000;

/** A run: what is trained, and how a step is split into micro-batches by one process. */
export interface ParallelCase {
  readonly name: string;
  readonly config: Record<string, unknown>;
  readonly training?: Record<string, unknown>;
  readonly sections?: Record<string, unknown>;
  /** Greatest relative difference of losses and norms. */
  readonly within: number;
}

/** Which ranks run it. */
export interface Layout {
  /** Names a folder. */
  readonly run: string;
  readonly ranks: number;
  readonly zero?: number;
  readonly tensor?: number;
  readonly sequence?: boolean;
  readonly pipeline?: number;
  /** Pieces of the model on each of its ranks; more than one are interleaved. */
  readonly chunks?: number;
  readonly context?: number;
}

/** The run of one process that all others are held against. */
export const ALONE: Layout = { run: 'one', ranks: 1 };

/** Micro-batches of a step, on all ranks together. */
const MICRO_BATCHES = 4;

/** The section of a configuration. */
function parallelOf({ ranks, zero = 0, chunks = 1, ...layout }: Layout): Record<string, unknown> {
  if (ranks === 1) return {};
  const { tensor = 1, sequence = false, pipeline = 1, context = 1 } = layout;
  const interleaved = chunks === 1 ? {} : { schedule: 'interleaved', chunks };
  return { zero, tensor, sequence, pipeline, ...interleaved, context };
}

export function publishedConfig(name: string): Record<string, unknown> {
  const config: unknown = JSON.parse(readFileSync(`${goldenFolder}${name}/config.json`, 'utf8'));
  return { ...Object(config), vocab_size: VOCABULARY, eos_token_id: 3, bos_token_id: 2, pad_token_id: 1 };
}

/** @param names of golden models */
export function familyCases(names: readonly string[]): ParallelCase[] {
  return names.map((name) => ({
    name,
    config:
      name === 'spark'
        ? sparkConfig({ layers: 2, hidden: 32, intermediate: 24, heads: 4, vocab: VOCABULARY })
        : publishedConfig(name),
    within: 1e-10,
  }));
}

export class ParallelRuns {
  readonly folder = mkdtempSync(join(tmpdir(), 'xinghe-parallel-'));
  /** Records of texts, and of preferences. */
  readonly texts = join(this.folder, 'texts.jsonl');
  readonly preferences = join(this.folder, 'preferences.jsonl');
  readonly judged = join(this.folder, 'judged.jsonl');
  readonly #steps: number;

  constructor(steps = 6) {
    this.#steps = steps;
    const lines = Array.from({ length: ROWS }, (_, index) =>
      JSON.stringify({ text: `Line ${index} says that ${index * 7} stars are seen. 星河${index}。` }),
    );
    writeFileSync(this.texts, `${lines.join('\n')}\n`);
    const pairs = Array.from({ length: ROWS }, (_, index) =>
      JSON.stringify({ prompt: `How many? ${index}`, chosen: `${index * 7} stars`, rejected: 'none 没有' }),
    );
    writeFileSync(this.preferences, `${pairs.join('\n')}\n`);
    const judged = Array.from({ length: ROWS }, (_, index) =>
      JSON.stringify({
        prompt: `How many? ${index}`,
        completion: `${index * 7} stars`,
        label: index % 3 > 0,
      }),
    );
    writeFileSync(this.judged, `${judged.join('\n')}\n`);
  }

  /** @returns the file */
  writeConfig({ name, config, training, sections }: ParallelCase, layout: Layout): string {
    const { run, ranks, tensor = 1, pipeline = 1, context = 1 } = layout;
    const path = join(this.folder, `${run}-${name}.json`);
    const rows = { files: [this.texts], form: 'text', sequence_length: 24 };
    const content = {
      output: join(this.folder, run, name),
      threads: 1,
      deterministic: true,
      model: {
        tokenizer: `${goldenFolder}tokenizers/${name.startsWith('spark') ? 'spark_like' : 'bbpe_gpt2'}`,
        config,
      },
      data: rows,
      evaluation: { ...rows, every: 3, max_rows: 5 },
      parallel: parallelOf(layout),
      checkpoints: { every: 3 },
      ...sections,
      training: {
        steps: this.#steps,
        micro_batch_size: 1,
        gradient_accumulation_steps: Math.ceil((MICRO_BATCHES * tensor * pipeline * context) / ranks),
        learning_rate: 1e-3,
        max_grad_norm: 0.5,
        weight_decay: 0.1,
        precision: 'float64',
        ...training,
      },
    };
    writeFileSync(path, JSON.stringify(content));
    return path;
  }

  async run(cases: readonly ParallelCase[], layout: Layout): Promise<void> {
    await trainFiles(
      cases.map((one) => this.writeConfig(one, layout)),
      layout.ranks,
    );
  }

  /** The greatest relative difference from the run of one process over all steps, and which it is. */
  metricsDifference(run: string, name: string): { readonly worst: number; readonly what: string } {
    const [wanted, found] = [this.#metricsOf(ALONE.run, name), this.#metricsOf(run, name)];
    expect(found.length).toBe(wanted.length);
    let [worst, what] = [0, 'none'];
    for (const [line, record] of wanted.entries())
      for (const key of COMPARED) {
        const [a, b] = [record[key], found[line]?.[key]];
        if (a === undefined && b === undefined) continue;
        // A margin is a difference of log-probabilities: 0 in the first step, but for their rounding.
        const least = key === 'rewards/margins' ? 1e-5 : 1e-30;
        const difference = Math.abs(Number(a) - Number(b)) / Math.max(Math.abs(Number(a)), least);
        if (difference <= worst) continue;
        [worst, what] = [difference, `${key} of line ${line}: ${String(a)} and ${String(b)}`];
      }
    return { worst, what };
  }

  /** The greatest difference of any element from the run of one process, and whose. */
  tensorsDifference(run: string, name: string, file: string): { worst: number; what: string } {
    const wanted = tensorsOf(join(this.folder, ALONE.run, name, file));
    const found = tensorsOf(join(this.folder, run, name, file));
    expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
    let [worst, what] = [0, 'none'];
    for (const [tensor, values] of wanted)
      for (const [index, value] of values.entries()) {
        const difference = Math.abs(value - (found.get(tensor)?.[index] ?? Number.NaN));
        if (!(difference <= worst)) [worst, what] = [difference, `${tensor}[${index}]`];
      }
    return { worst, what };
  }

  /** Fails unless metrics, weights and checkpoints are those of the run of one process. */
  expectAsAlone(run: string, { name, within }: ParallelCase): void {
    const { worst, what } = this.metricsDifference(run, name);
    expect(worst, what).toBeLessThan(within);
    if (within > 1e-9) return;
    const checkpoint = join('checkpoints', 'step-3');
    for (const file of [
      'final',
      join(checkpoint, 'model.safetensors'),
      join(checkpoint, 'optimizer.safetensors'),
    ]) {
      const difference = this.tensorsDifference(run, name, file);
      expect(difference.worst, `${file}: ${difference.what}`).toBeLessThan(1e-9);
    }
  }

  /** Goes on from the checkpoint of step 3 of a run that was made, on another layout. */
  async resume(one: ParallelCase, from: string, layout: Layout): Promise<void> {
    const folder = join(this.folder, layout.run, one.name);
    cpSync(join(this.folder, from, one.name), folder, { recursive: true });
    rmSync(join(folder, 'final'), { recursive: true });
    for (let step = 6; step <= this.#steps; step += 3)
      rmSync(join(folder, 'checkpoints', `step-${step}`), { recursive: true });
    const config = this.writeConfig(one, layout);
    const resumed = config.replace('.json', '-resumed.json');
    cpSync(config, resumed);
    await trainFiles([resumed], layout.ranks);
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #metricsOf(run: string, name: string): Record<string, unknown>[] {
    const lines = readFileSync(join(this.folder, run, name, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n');
    return lines.map((line) => Object(JSON.parse(line)));
  }
}

const COMPARED = [
  'loss',
  'grad_norm',
  'eval_loss',
  'tokens',
  'learned_tokens',
  'learning_rate',
  'rewards/margins',
  'router/aux_loss',
];

/** Runs of the same ranks, one after the other. @throws Error with the output of every rank that failed */
export async function trainFiles(files: readonly string[], ranks: number): Promise<void> {
  await spawnRanks(script, files, ranks, files.length);
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
