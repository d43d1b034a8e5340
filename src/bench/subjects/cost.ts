/** Time against a size, all sizes in one process: the points of a cost table. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CausalLm } from '../../models/index.js';
import { convertModel } from '../../models/index.js';
import { writeRandomModel } from '../materials/random-model.js';
import { type CostSettings, memoryKey, sizeOfLayers, timeKey } from './cost-settings.js';
import { measureData } from './data.js';
import { createEngine, openModel } from './generation.js';
import { type GenerationSettings, inventedPrompt } from './generation-settings.js';

interface CostPoint {
  readonly size: number;
  readonly milliseconds: number;
  /** Of the process up to here; it only grows, so that a constant one says that no size needed more. */
  readonly peakMemoryMiB?: number;
}

export async function measureCost(settings: CostSettings): Promise<Record<string, number>> {
  const values: Record<string, number> = {};
  for (const { size, milliseconds, peakMemoryMiB } of await pointsOf(settings)) {
    values[timeKey(size)] = milliseconds;
    if (peakMemoryMiB !== undefined) values[memoryKey(size)] = peakMemoryMiB;
  }
  return values;
}

async function pointsOf(settings: CostSettings): Promise<CostPoint[]> {
  switch (settings.kind) {
    case 'context':
    case 'batch':
    case 'queue':
      return engineCosts(settings);
    case 'rows':
      return await rowCosts(settings);
    case 'model-size':
      return await conversionCosts(settings);
    default:
      return settings.kind satisfies never;
  }
}

function engineCosts(settings: CostSettings): CostPoint[] {
  const base: GenerationSettings = {
    model: settings.model,
    sequences: 1,
    promptTokens: 64,
    newTokens: DECODE_STEPS + 1,
    repetitions: 1,
    threads: settings.threads,
  };
  const model = openModel(base);
  const measure = settings.kind === 'queue' ? waitingStep : decodeStep;
  const at = (size: number): GenerationSettings =>
    settings.kind === 'context'
      ? { ...base, promptTokens: size }
      : settings.kind === 'batch'
        ? { ...base, sequences: size }
        : base;
  // The code of all of them is compiled before the first counts.
  measure(model, at(settings.sizes[0] ?? 1), settings.sizes[0] ?? 1);
  return settings.sizes.map((size) => ({ size, milliseconds: measure(model, at(size), size) }));
}

const DECODE_STEPS = 16;

/** A step in which every sequence makes a token: the least of sixteen. */
function decodeStep(model: CausalLm, settings: GenerationSettings): number {
  const { sequences, promptTokens, newTokens } = settings;
  const engine = createEngine(model, settings);
  for (let index = 0; index < sequences; index++)
    engine.submit(String(index), {
      promptIds: inventedPrompt(model.shape.vocabSize, index, promptTokens),
      maxNewTokens: newTokens + sequences,
    });
  const begun = new Set<string>();
  while (begun.size < sequences) for (const { id } of engine.step()) begun.add(id);
  let least = Number.POSITIVE_INFINITY;
  for (let step = 0; step < DECODE_STEPS && engine.hasWork; step++) {
    const start = performance.now();
    engine.step();
    least = Math.min(least, performance.now() - start);
  }
  engine.dispose();
  return least;
}

/** A step of one running text while so many wait: the least of twenty. */
function waitingStep(model: CausalLm, settings: GenerationSettings, waiting: number): number {
  const engine = createEngine(model, { ...settings, newTokens: 64 }, { maxSequences: 1 });
  const { vocabSize } = model.shape;
  engine.submit('running', { promptIds: inventedPrompt(vocabSize, 0, 3), maxNewTokens: 64 });
  engine.step();
  for (let index = 0; index < waiting; index++)
    engine.submit(`waiting ${index}`, { promptIds: inventedPrompt(vocabSize, index, 32), maxNewTokens: 4 });
  const times = Array.from({ length: 20 }, () => {
    const start = performance.now();
    engine.step();
    return performance.now() - start;
  });
  engine.dispose();
  return Math.min(...times);
}

/** The preparation of so many records, on one thread. */
async function rowCosts({ folder, records, tokenizer, sizes }: CostSettings): Promise<CostPoint[]> {
  const own = mkdtempSync(join(folder, 'rows-'));
  try {
    const lines = readFileSync(records, 'utf8').trimEnd().split('\n');
    const prepare = async (size: number, name: string): Promise<number> => {
      const input = join(own, `${name}.jsonl`);
      writeFileSync(
        input,
        Array.from({ length: size }, (_, index) => lines[index % lines.length]).join('\n'),
      );
      const start = performance.now();
      await measureData({ input, tokenizer, output: join(own, name), seqLength: 2047, workers: 1 });
      return performance.now() - start;
    };
    await prepare(sizes[0] ?? 1, 'warm-up');
    const points: CostPoint[] = [];
    for (const size of sizes) points.push({ size, milliseconds: await prepare(size, String(size)) });
    return points;
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

/** A model of so many layers, float32 to bfloat16. */
async function conversionCosts({ folder, sizes }: CostSettings): Promise<CostPoint[]> {
  const own = mkdtempSync(join(folder, 'models-'));
  try {
    const convert = async (layers: number): Promise<CostPoint> => {
      const from = join(own, 'from');
      writeRandomModel({ to: from, size: sizeOfLayers(layers), dtype: 'float32' });
      const start = performance.now();
      await convertModel({ from, to: join(own, 'to'), dtype: 'bfloat16' });
      const milliseconds = performance.now() - start;
      for (const name of ['from', 'to']) rmSync(join(own, name), { recursive: true });
      return { size: layers, milliseconds, peakMemoryMiB: process.resourceUsage().maxRSS / 1024 };
    };
    await convert(sizes[0] ?? 1);
    const points: CostPoint[] = [];
    for (const layers of sizes) points.push(await convert(layers));
    return points;
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}
