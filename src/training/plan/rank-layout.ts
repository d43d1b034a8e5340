/** How ranks share a run, for a plan: as the `parallel` section of its configuration. */
import { chunksPerStage, type ParallelConfig } from '../parallel/parallel-config.js';

export interface RankLayout {
  readonly data: number;
  readonly zero: 0 | 1 | 2 | 3;
  readonly tensor: number;
  readonly sequence: boolean;
  /** Stages. */
  readonly pipeline: number;
  /** Pieces of the model that each stage has; 1: the schedule is 1f1b, more: it is interleaved. */
  readonly chunks: number;
  readonly context: number;
}

export const ALONE: RankLayout = {
  data: 1,
  zero: 0,
  tensor: 1,
  sequence: false,
  pipeline: 1,
  chunks: 1,
  context: 1,
};

/** @param data where the section leaves it out: what is left of the ranks */
export function layoutOfSection(parallel: ParallelConfig, data: number): RankLayout {
  const { zero, tensor, sequence, pipeline, context } = parallel;
  return { data, zero, tensor, sequence, pipeline, chunks: chunksPerStage(parallel), context };
}

/** As a run's configuration says it. */
export function sectionOfLayout(layout: RankLayout): ParallelConfig & { readonly data: number } {
  const { data, zero, tensor, sequence, pipeline, chunks, context } = layout;
  const turns = chunks > 1 ? { schedule: 'interleaved' as const, chunks } : { schedule: '1f1b' as const };
  return { data, zero, tensor, sequence, pipeline, ...turns, context };
}

export function ranksOf({ data, tensor, pipeline, context }: RankLayout): number {
  return data * tensor * pipeline * context;
}

/** Ranks that have the same part of the model: ZeRO shares over them, gradients are summed over them. */
export function replicasOf({ data, context }: RankLayout): number {
  return data * context;
}

/** As a configuration says it: "data 4, tensor 2, sequence, zero 3". */
export function layoutText(layout: RankLayout): string {
  const { data, zero, tensor, sequence, pipeline, chunks, context } = layout;
  return [
    `data ${data}`,
    `tensor ${tensor}`,
    ...(sequence ? ['sequence'] : []),
    ...(pipeline > 1 ? [`pipeline ${pipeline}`] : []),
    ...(chunks > 1 ? [`${chunks} chunks`] : []),
    ...(context > 1 ? [`context ${context}`] : []),
    ...(replicasOf(layout) > 1 ? [`zero ${zero}`] : []),
  ].join(', ');
}

export interface LayoutAxes {
  /** What the model lets share its matrices. */
  readonly tensors: readonly number[];
  readonly blocks: number;
  readonly heads: number;
}

/** All that so many ranks can be, without those that differ in nothing. */
export function layoutsOf(ranks: number, { tensors, blocks, heads }: LayoutAxes): RankLayout[] {
  const divisors = Array.from({ length: ranks }, (_, index) => index + 1).filter(
    (count) => ranks % count === 0,
  );
  return tensors.flatMap((tensor) =>
    divisors.flatMap((pipeline) =>
      divisors
        .filter((context) => ranks % (tensor * pipeline * context) === 0)
        .filter((context) => heads % (tensor * context) === 0 && pipeline <= blocks)
        .flatMap((context): RankLayout[] => {
          const data = ranks / (tensor * pipeline * context);
          const zeros = data * context === 1 ? ([0] as const) : ([0, 1, 2, 3] as const);
          const sequences = tensor === 1 ? [false] : [false, true];
          const pieces = pipeline > 1 && 2 * pipeline <= blocks ? [1, 2] : [1];
          return zeros.flatMap((zero) =>
            sequences.flatMap((sequence) =>
              pieces.map((chunks) => ({ data, zero, tensor, sequence, pipeline, chunks, context })),
            ),
          );
        }),
    ),
  );
}
