/**
 * Layouts of 16 and 64 ranks at the published sizes go through a step, on tensors without memory: every slice, shape and collective of a
 * rank is what it would be, and it sends what `plan` says. What each rank keeps is looked at in tests/published-layouts.long.test.ts.
 */
import { afterEach, expect, test, vi } from 'vitest';
import { casesOf } from '../../../tests/support/long-suite.js';
import { publishedConfigs } from '../../../tests/support/plan-configs.js';
import { ProcessGroup } from '../../distributed/index.js';
import { type Architecture, parseArchitecture } from '../../models/index.js';
import { byteWidth, interceptCalls, noGrad, scope, Tensor } from '../../tensor/index.js';
import { planRun } from '../plan/plan-run.js';
import { layoutOfSection, ranksOf } from '../plan/rank-layout.js';
import { Trainer } from '../step/trainer.js';
import { trainingSettings } from '../step/training-settings.js';
import { parallelSchema } from './parallel-config.js';
import { RunRanks, type RunWorld } from './run-ranks.js';

/** Bytes that the rank sends, by what they are: by rings, as Thakur et al. 2005. */
interface Sent {
  data: number;
  pipeline: number;
}

const bytesOf = ({ numElements, dtype }: Tensor): number => numElements * byteWidth(dtype);

/** Nothing goes to another process, and nothing comes from one: native/meta-collectives.cpp checks the shapes. */
class GroupOfShapes extends ProcessGroup {
  readonly #sent: Sent;

  constructor(name: string, rank: number, size: number, sent: Sent) {
    super(undefined, { name, rank, size, timeout: 0 });
    this.#sent = sent;
  }

  override allReduce(...args: Parameters<ProcessGroup['allReduce']>): ReturnType<ProcessGroup['allReduce']> {
    this.#count(2, bytesOf(args[0]));
    return super.allReduce(...args);
  }

  override allGather(...args: Parameters<ProcessGroup['allGather']>): ReturnType<ProcessGroup['allGather']> {
    this.#count(1, bytesOf(args[1]));
    return super.allGather(...args);
  }

  override reduceScatter(whole: Tensor): ReturnType<ProcessGroup['reduceScatter']> {
    this.#count(1, bytesOf(whole));
    return super.reduceScatter(whole);
  }

  override gatherNumbers(values: readonly number[]): number[][] {
    return Array.from({ length: this.size }, () => [...values]);
  }

  override send(values: Tensor, rank: number): { wait(): void } {
    expect(rank).not.toBe(this.rank);
    this.#sent.pipeline += bytesOf(values);
    return { wait() {} };
  }

  override receive(values: Tensor, rank: number): Tensor {
    expect(rank).not.toBe(this.rank);
    return values;
  }

  #count(times: number, bytes: number): void {
    // Of gradients and parameters; what splits matrices counts its sums of vectors itself.
    if (/data/.test(this.name)) this.#sent.data += (times * (this.size - 1) * bytes) / this.size;
  }
}

function worldOf(rank: number, size: number, sent: Sent): RunWorld {
  return {
    rank,
    size,
    isFirst: rank === 0,
    group: new GroupOfShapes('data of all', rank, size, sent),
    subgroup: (name, own, count) =>
      count === 1 ? ProcessGroup.alone() : new GroupOfShapes(name, own, count, sent),
    agree() {},
    tell: (text = '') => text,
    collect: (text) => [text],
    leave() {},
  };
}

/** What libtorch cannot compute without memory: of the same shape, with a gradient for whatever has one. */
const STAND_INS: Readonly<Record<string, (...values: Tensor[]) => Tensor>> = {
  'aten::embedding': (table, ids) => table.select(0, 0).expand([...ids.shape, table.size(1)]),
  'aten::scaled_dot_product_attention': (q, k, v) => q.add(k).add(v),
  'aten::layer_norm': (x, weight, bias) => x.mul(weight).add(bias),
  'xinghe::log_sums': (logits) => logits.select(-1, 0).to('float32'),
  'xinghe::weighted_target_sum': (logits) => logits.sum().to('float32'),
  'aten::logical_or': (a, b) => a.mul(b),
  'aten::logical_and': (a, b) => a.mul(b),
  'aten::logical_not': (a) => a,
};

/** Parameters, gradients and moments of the optimiser, by rank. */
function updateShapes([parameters, ...others]: readonly unknown[]): void {
  const shapes = (list: unknown): unknown =>
    Array.isArray(list) ? list.map(({ shape }) => shape) : undefined;
  for (const other of others.slice(0, 3)) expect(shapes(other)).toEqual(shapes(parameters));
}

/** Nobody knows what numbers are in there: each is 0. */
function withoutMemory<Result>(body: () => Result): Result {
  vi.spyOn(Tensor.prototype, 'item').mockReturnValue(0);
  const tensors = (values: readonly unknown[]): Tensor[] => values.filter((value) => value instanceof Tensor);
  return interceptCalls((name, values, run) => {
    if (name === 'aten::_fused_adamw_') return updateShapes(values);
    return STAND_INS[name]?.(...tensors(values)) ?? run();
  }, body);
}

const xverse13b = parseArchitecture(publishedConfigs.xverse13b, 'xverse-13b');
const spark13b = parseArchitecture(publishedConfigs.spark13b, 'spark-13b');
const telechat52b = parseArchitecture(publishedConfigs.telechat52b, 'telechat-52b');

const [LENGTH, ACCUMULATION] = [4096, 4];

const layouts: readonly [string, Architecture, Record<string, unknown>, readonly number[]][] = [
  // As published: data 2 x model 8 with sequence parallel, optimiser shared.
  ['Spark-13B, 16 ranks', spark13b, { tensor: 8, sequence: true, zero: 1 }, [0, 15]],
  // As published: model 8 x pipeline 2.
  ['TeleChat-52B, 16 ranks', telechat52b, { tensor: 8, sequence: true, pipeline: 2 }, [0, 15]],
  [
    'TeleChat-52B, 64 ranks',
    telechat52b,
    { tensor: 8, sequence: true, pipeline: 4, zero: 1 },
    [0, 17, 40, 63],
  ],
  [
    'TeleChat-52B, 64 ranks, interleaved',
    telechat52b,
    { tensor: 8, pipeline: 4, schedule: 'interleaved', chunks: 4, zero: 2 },
    [0, 63],
  ],
  ['TeleChat-52B, 64 ranks, ZeRO 3', telechat52b, { tensor: 4, zero: 3 }, [1, 62]],
  ['XVERSE-13B, 64 ranks, ZeRO 3', xverse13b, { zero: 3 }, [0, 63]],
  [
    'XVERSE-13B, 64 ranks, tokens shared',
    xverse13b,
    { context: 4, tensor: 2, pipeline: 2, zero: 1 },
    [0, 37, 63],
  ],
  [
    'XVERSE-13B, 64 ranks, uneven',
    xverse13b,
    { tensor: 4, sequence: true, pipeline: 8, zero: 2 },
    [3, 29, 60],
  ],
];

afterEach(() => {
  vi.restoreAllMocks();
});

const cases = layouts.flatMap(([name, architecture, section, ranks]) =>
  ranks.map((rank) => ({ title: `${name}, rank ${rank}`, architecture, section, rank, size: sizeOf(name) })),
);
const QUICK = [
  'Spark-13B, 16 ranks, rank 15',
  '64 ranks, rank 40',
  'ZeRO 3, rank 62',
  'tokens shared, rank 37',
];

function sizeOf(name: string): number {
  return Number(/(\d+) ranks/.exec(name)?.[1]);
}

/** One rank of a run in bfloat16 with float32 masters. */
function rankOf({ architecture, section, rank, size }: Omit<(typeof cases)[number], 'title'>) {
  const sent: Sent = { data: 0, pipeline: 0 };
  const parallel = parallelSchema.parse(section);
  const ranks = new RunRanks(worldOf(rank, size, sent), parallel);
  const model = architecture.createModel();
  noGrad(() => {
    for (const [path, parameter] of model.namedParameters()) model.assign(path, parameter.to('bfloat16'));
  });
  const parameters = new Map(model.namedParameters());
  const settings = trainingSettings({
    steps: 1,
    learning_rate: 1e-4,
    schedule: 'constant',
    precision: 'bfloat16-mixed',
    recompute: 'full',
    gradient_accumulation_steps: ACCUMULATION,
  });
  const share = ranks.share(architecture);
  const trainer = new Trainer(model, parameters, settings, { totalSteps: 1, padTokenId: 0, share });
  return {
    trainer,
    sent,
    stages: ranks.stages,
    layout: layoutOfSection(parallel, ranks.data.size),
    /** As at the end of a run: what the first rank is to write is brought together there. */
    end() {
      scope(() => trainer.dispose());
      model.dispose();
    },
  };
}

const chosen = casesOf(cases, ({ title }) => QUICK.some((part) => title.includes(part)));
test.each(chosen.map((one) => [one.title, one] as const))('%s', (_, one) => {
  const { trainer, sent, stages, layout, end } = rankOf(one);
  expect(ranksOf(layout)).toBe(one.size);
  // What they tell one another when they begin is not of a step.
  Object.assign(sent, { data: 0, pipeline: 0 });
  const row = { ids: new Int32Array(LENGTH + 1).fill(5), lossMask: new Uint8Array(LENGTH + 1).fill(1) };
  const microBatches = Array.from({ length: ACCUMULATION }, () => [row]);
  const { learnedTokens } = withoutMemory(() => trainer.step(microBatches, row));
  expect(learnedTokens).toBe(LENGTH * ACCUMULATION * layout.data);

  const { communication } = planRun(one.architecture, {
    ...{ precision: 'bfloat16-mixed', length: LENGTH, microBatchSize: 1, recompute: 'full', startBytes: 0 },
    accumulation: ACCUMULATION,
    layout,
  });
  const isEnd = stages === undefined || stages.rank === 0 || stages.rank === stages.size - 1;
  // A plan is that of an end, which has the embedding or the head; between them hidden states go on both sides.
  expect(sent.pipeline).toBe(communication.pipeline * (isEnd ? 1 : 2));
  // ZeRO 3 gathers the head once, as its backward pass comes at once; a plan counts it twice like all others.
  const tolerance = layout.zero === 3 ? 0.01 : 1e-4;
  if (isEnd)
    expect(Math.abs(sent.data - communication.data)).toBeLessThanOrEqual(tolerance * communication.data);
  else expect(sent.data).toBeLessThan(communication.data);
  end();
});
