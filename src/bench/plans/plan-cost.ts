/** `xinghe bench cost`: how a time grows with a size. */
import { join } from 'node:path';
import type { BenchSession } from '../bench-session.js';
import type { Benchmark, CostLaw } from '../benchmark.js';
import { parametersOf } from '../materials/model-sizes.js';
import { ownSide } from '../rounds/own-side.js';
import {
  type CostKind,
  type CostSettings,
  memoryKey,
  sizeOfLayers,
  timeKey,
} from '../subjects/cost-settings.js';
import { chosenModel, type ModelChoice, weightsNote } from './plan-options.js';
import { chosenTexts } from './plan-tokenizer.js';

export interface CostPlanOptions extends ModelChoice {
  readonly kind: CostKind;
  readonly threads: number;
}

interface CostDescription extends Omit<CostLaw, 'sizes'> {
  readonly title: string;
  readonly sizes: readonly number[];
  readonly note: string;
}

const COSTS: Readonly<Record<CostKind, CostDescription>> = {
  context: {
    title: 'A decode step by the length of the context',
    sizes: [128, 256, 512, 1024, 2048, 4096],
    unit: 'tokens of context',
    expected:
      'weights cost the same at any length, keys and values in proportion to it: an exponent from 0 to 1',
    exponent: { least: 0, greatest: 1 },
    note: 'One sequence; the least of 16 steps.',
  },
  batch: {
    title: 'A decode step by the number of sequences',
    sizes: [1, 2, 4, 8, 16, 32],
    unit: 'sequences together',
    expected:
      'weights are read once for all of them: an exponent from 0 to 1, less than 1 as long as memory is the limit',
    exponent: { least: 0, greatest: 1 },
    note: 'Contexts of 64 tokens; the least of 16 steps.',
  },
  queue: {
    title: 'A step by the number of requests that wait',
    sizes: [125, 500, 2000, 8000],
    unit: 'requests waiting',
    expected: 'waiting costs nothing: an exponent of 0',
    exponent: { least: 0, greatest: 0 },
    note: 'One sequence runs; the least of 20 steps.',
  },
  rows: {
    title: 'Data preparation by the number of records',
    sizes: [4000, 8000, 16000, 32000, 64000],
    unit: 'records',
    expected: 'in proportion to them, beside a fixed part: an exponent up to 1',
    exponent: { least: 0.5, greatest: 1 },
    note: 'From records to rows on disk in a running process, on one thread.',
  },
  'model-size': {
    title: 'Conversion by the size of the model',
    sizes: [4, 8, 16, 32],
    unit: 'parameters',
    expected: 'in proportion to it, beside a fixed part, and memory that does not grow: an exponent up to 1',
    exponent: { least: 0.5, greatest: 1 },
    note: 'Float32 to bfloat16, written, read back and compared, in a running process.',
  },
};

export async function planCost(options: CostPlanOptions, session: BenchSession): Promise<Benchmark> {
  const { kind, threads } = options;
  const { title, sizes, note, ...law } = COSTS[kind];
  const usesModel = kind === 'context' || kind === 'batch' || kind === 'queue';
  const model = usesModel ? await chosenModel(options, 'bfloat16', session) : undefined;
  const settings: CostSettings = {
    kind,
    model: model?.path ?? '',
    folder: session.folder,
    ...(kind === 'rows' ? await rowMaterials(session) : { records: '', tokenizer: '' }),
    sizes,
    threads,
  };
  return {
    subject: `cost-${kind}`,
    title: `${title}${model === undefined ? '' : `, ${model.name}`}`,
    settings: { sizes: sizes.join(' ') },
    metrics: sizes.map((size) => ({
      key: timeKey(size),
      title: String(kind === 'model-size' ? parametersOf(sizeOfLayers(size)) : size),
      unit: 'ms',
      better: 'lower' as const,
    })),
    ours: ownSide('cost', settings),
    notes: [note, ...(model === undefined ? [] : weightsNote(model))],
    law: {
      ...law,
      sizes: sizes.map((size) => ({
        size: kind === 'model-size' ? parametersOf(sizeOfLayers(size)) : size,
        timeKey: timeKey(size),
        memoryKey: kind === 'model-size' ? memoryKey(size) : undefined,
      })),
    },
    threads,
  };
}

async function rowMaterials(session: BenchSession): Promise<{ records: string; tokenizer: string }> {
  const records = join(session.folder, 'records.jsonl');
  await session.make('make-records', { to: records, bytes: 4e6 });
  const tokenizer = join(session.folder, 'tokenizer.json');
  const { path: input } = await chosenTexts({ input: [], megabytes: 1 }, session);
  await session.make('make-tokenizer', { type: 'byte-level-bpe', input, output: tokenizer, vocabSize: 4000 });
  return { records, tokenizer };
}
