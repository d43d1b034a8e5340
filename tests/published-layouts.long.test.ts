/**
 * The layouts of the published recipes: models without memory on ranks that never meet (a group without a store), as training cuts
 * them. Every rank's share is built, its shapes are looked at, and what all have together is the model.
 */
import { expect, test } from 'vitest';
import { product } from '../src/checkpoint/index.js';
import { ContextGroup, ProcessGroup, TensorGroup } from '../src/distributed/index.js';
import { type Architecture, type CausalLm, parseArchitecture, SplitModel } from '../src/models/index.js';
import { ContextSplit } from '../src/training/parallel/context-split.js';
import { DataParallel } from '../src/training/parallel/data-parallel.js';
import { alongAxes, meshPlace } from '../src/training/parallel/mesh.js';
import {
  chunksPerStage,
  type ParallelConfig,
  parallelSchema,
} from '../src/training/parallel/parallel-config.js';
import { PipelineStage } from '../src/training/parallel/pipeline-stage.js';
import { planRun } from '../src/training/plan/plan-run.js';
import { layoutOfSection } from '../src/training/plan/rank-layout.js';
import { publishedConfigs } from './support/plan-configs.js';

const { spark13b: spark, xverse13b: xverse, telechat12b, telechat52b } = publishedConfigs;

interface Share {
  /** Elements that the rank keeps, by own path. */
  readonly kept: ReadonlyMap<string, number>;
  readonly isStage: (path: string) => boolean;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
}

/** As RunRanks makes it of a real world. */
function shareOf(
  { createModel, tables: { sharding } }: Architecture,
  rank: number,
  size: number,
  parallel: ParallelConfig,
): Share {
  const model: CausalLm = createModel();
  const parameters = new Map(model.namedParameters());
  const place = meshPlace(rank, size, parallel);
  const group = (...axes: Parameters<typeof alongAxes>[1]): ProcessGroup =>
    new ProcessGroup(undefined, { ...alongAxes(place, axes), timeout: 0 });
  const stage =
    parallel.pipeline === 1
      ? undefined
      : new PipelineStage(model, parameters, {
          group: group('pipeline'),
          chunksPerStage: chunksPerStage(parallel),
          isCollected: false,
          joinEnds: (end) => new ProcessGroup(undefined, { name: 'ends', rank: end, size: 2, timeout: 0 }),
        });
  const isStage = (path: string): boolean => stage?.has(path) !== false;
  const split =
    parallel.tensor === 1
      ? undefined
      : new SplitModel(
          model,
          sharding,
          new TensorGroup(group('tensor'), parallel.sequence),
          undefined,
          isStage,
        );
  const context =
    parallel.context === 1 ? undefined : new ContextSplit(model, new ContextGroup(group('context')));
  const shared = new DataParallel(model, parameters, group('data', 'context'), parallel.zero, true, {
    rows: group('data'),
    ...{ split, stage, context },
  });
  const kept = new Map<string, number>();
  for (const [path, { shape }] of parameters) {
    if (!isStage(path)) continue;
    const own = parallel.zero === 3 ? shared.updatedPart(path)?.numElements : product(shape);
    kept.set(path, own ?? 0);
  }
  const shapes = new Map([...parameters].map(([path, { shape }]) => [path, shape]));
  model.dispose();
  return { kept, isStage, shapes };
}

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

test.each<[string, Record<string, unknown>, number, Partial<ParallelConfig>]>([
  ['Spark, pre-training on 64 GB: dp2 mp4', spark, 8, { tensor: 4, zero: 1 }],
  ['Spark, pre-training and SFT on 32 GB: dp2 mp8', spark, 16, { tensor: 8, sequence: true, zero: 1 }],
  ['Spark, LoRA: dp4 mp2', spark, 8, { tensor: 2, zero: 1 }],
  ['TeleChat-12B, ZeRO 3 on 8', telechat12b, 8, { zero: 3 }],
  ['XVERSE-13B, ZeRO 3 and stages on 8', xverse, 8, { pipeline: 2, zero: 3 }],
  ['XVERSE-13B, 32K context on 16', xverse, 16, { tensor: 2, context: 4, zero: 3 }],
  ['TeleChat-52B, generation on 4', telechat52b, 4, { tensor: 4 }],
  [
    'TeleChat-52B, tensor, stages and ZeRO on 64',
    telechat52b,
    64,
    { tensor: 8, pipeline: 4, sequence: true, zero: 1 },
  ],
  [
    'TeleChat-52B, interleaved on 64',
    telechat52b,
    64,
    { tensor: 4, pipeline: 4, schedule: 'interleaved', chunks: 4, context: 2, zero: 3 },
  ],
])('%s', (_, config, size, given) => {
  const parallel = parallelSchema.parse(given);
  const architecture = parseArchitecture(config, 'published');
  const whole = architecture.createModel();
  const shapes = new Map(whole.namedParameters().map(([path, { shape }]) => [path, shape]));
  const data = size / (parallel.tensor * parallel.pipeline * parallel.context);
  const replicas = data * parallel.context;
  const plan = planRun(architecture, {
    ...{ precision: 'bfloat16', length: 4096, microBatchSize: 1, accumulation: 8, recompute: 'full' },
    layout: layoutOfSection(parallel, data),
    startBytes: 0,
  });
  expect(plan.stages.length).toBe(parallel.pipeline);
  // Of ranks that have the same part of the model, zero 3 makes the only difference.
  const seen = new Map<string, number>();
  for (let rank = 0; rank < size; rank++) {
    const { at } = meshPlace(rank, size, parallel);
    if (parallel.zero < 3 && (at.data > 0 || at.context > 0)) continue;
    const { kept, isStage, shapes: own } = shareOf(architecture, rank, size, parallel);
    for (const [path, elements] of kept) {
      seen.set(path, (seen.get(path) ?? 0) + elements);
      const [before = [], part = []] = [shapes.get(path), own.get(path)];
      expect(part.length).toBe(before.length);
      const ratio = product(before) / product(part);
      expect(ratio, `${path} [${part.join()}] of [${before.join()}]`).toBeGreaterThanOrEqual(1);
      expect(ratio).toBeLessThanOrEqual(parallel.tensor * 1.001);
      expect(isStage(path)).toBe(true);
    }
    // The plan is of the rank with the greatest part: it differs by a row of what the vocabulary does not divide, and by what fills
    // up equal pieces.
    const planned = (plan.stages[at.pipeline]?.memory.weights ?? 0) / 2;
    expect(sum(kept.values()) / planned).toBeGreaterThan(0.98);
    expect(sum(kept.values()) / planned).toBeLessThan(parallel.zero === 3 ? 1.02 : 1.0001);
  }
  const isTied = shapes.has('embedding.weight') && whole.shape.tied;
  for (const [path, shape] of shapes) {
    const first = product(shape);
    const total = seen.get(path) ?? 0;
    // Whole on every rank of a tensor group, or cut; a tied table is on two stages.
    const stages =
      isTied && whole.segments().filter(({ parameters }) => parameters.includes(path)).length > 1;
    const copies = stages && parallel.pipeline > 1 ? 2 : 1;
    expect([copies, copies * parallel.tensor], path).toContain(total / first);
  }
  whole.dispose();
  expect(replicas).toBeGreaterThan(0);
});
