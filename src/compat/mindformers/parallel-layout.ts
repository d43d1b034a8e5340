/** The devices that a published run asks for. */
import { InputError } from '../../errors/index.js';
import { valueAt } from '../imported-run.js';
import type { PublishedRunFile, RuntimeModelSection } from './published-schema.js';

export interface PublishedLayout {
  /** use_parallel: whether the layout is in force at all. */
  readonly enabled: boolean;
  /** Replicas of the model, each with rows of its own. */
  readonly dataParallel: number;
  /** Parts that each matrix is cut into. */
  readonly modelParallel: number;
  readonly pipelineStages: number;
  /** dataParallel * modelParallel * pipelineStages. */
  readonly devices: number;
  /** Micro-batches that a pipeline cuts a batch into. */
  readonly microBatches: number;
  /** Optimiser state spread over the replicas. */
  readonly optimizerShard: boolean;
  readonly sequenceParallel: boolean;
  /** The embedding is copied to each device instead of cut. */
  readonly vocabularyReplicated: boolean;
  /** Gradients sent in so many groups. */
  readonly gradientAggregationGroup: number;
}

export function readLayout(file: PublishedRunFile, model: RuntimeModelSection): PublishedLayout {
  const {
    data_parallel: dataParallel,
    model_parallel: modelParallel,
    pipeline_stage: pipelineStages,
    ...config
  } = file.parallel_config;
  return {
    enabled: file.use_parallel,
    dataParallel,
    modelParallel,
    pipelineStages,
    devices: dataParallel * modelParallel * pipelineStages,
    microBatches: pipelineStages > 1 ? config.micro_batch_num : 1,
    optimizerShard:
      file.optimizer_parallel ??
      (file.parallel.enable_parallel_optimizer && (config.optimizer_shard ?? true)),
    sequenceParallel: model.seq_parallel || config.use_seq_parallel,
    vocabularyReplicated: config.vocab_emb_dp,
    gradientAggregationGroup: config.gradient_aggregation_group,
  };
}

/** What the processes that were started make of the layout. */
export interface SharedLayout {
  /** Section of ours, not checked yet; undefined: one process. */
  readonly parallel: Readonly<Record<string, unknown>> | undefined;
  /** Published replicas whose rows one replica of this run takes, one after the other. */
  readonly replicasInOne: number;
  /** Sentences on where the run differs from the published layout. */
  readonly warnings: readonly string[];
}

/**
 * @param ranks processes that share the run
 * @param own the `parallel` section of ours that is laid over the file
 * @throws InputError if they cannot be laid out as the file says
 */
export function shareLayout(
  layout: PublishedLayout,
  ranks: number,
  own: unknown,
  source: string,
): SharedLayout {
  const { enabled, dataParallel, devices } = layout;
  if (ranks === 1)
    return {
      parallel: undefined,
      replicasInOne: enabled ? dataParallel : 1,
      warnings: layoutWarnings(layout, 1),
    };
  if (!enabled)
    throw new InputError(
      `${source}: use_parallel is false, and ${ranks} ranks were started (WORLD_SIZE, RANK_SIZE); set it to true with a ` +
        `parallel_config for ${ranks} ranks, or start one process.`,
    );
  const tensor = sizeAt(own, 'tensor') ?? layout.modelParallel;
  const pipeline = sizeAt(own, 'pipeline') ?? layout.pipelineStages;
  const data = ranks / (tensor * pipeline);
  if (!Number.isInteger(data) || dataParallel % data !== 0)
    throw new InputError(
      `${source}: parallel_config asks for ${devices} ranks (${axes(layout).join(', ')}), and ${ranks} were started (WORLD_SIZE, ` +
        `RANK_SIZE); start ${devices}, or ${fittingRanks(dataParallel, tensor * pipeline)}, or set parallel_config.`,
    );
  return {
    parallel: {
      data,
      tensor,
      ...(pipeline > 1 && { pipeline }),
      ...(layout.optimizerShard && data > 1 && { zero: 1 }),
      ...(layout.sequenceParallel && tensor > 1 && { sequence: true }),
    },
    replicasInOne: dataParallel / data,
    warnings: layoutWarnings(layout, ranks),
  };
}

function sizeAt(own: unknown, axis: string): number | undefined {
  const size = valueAt(own, axis);
  return typeof size === 'number' ? size : undefined;
}

/** Numbers of ranks in which replicas take turns evenly. */
function fittingRanks(dataParallel: number, replica: number): string {
  const divisors = Array.from({ length: dataParallel }, (_, index) => index + 1).filter(
    (count) => dataParallel % count === 0 && count * replica > 1,
  );
  return `${divisors.map((count) => count * replica).join(', ') || replica} of them in their turns`;
}

function axes({ dataParallel, modelParallel, pipelineStages }: PublishedLayout): string[] {
  return [`${dataParallel} x data`, `${modelParallel} x model`, `${pipelineStages} x pipeline parallel`];
}

/** A sentence where fewer processes take the place of the published devices. */
function layoutWarnings(layout: PublishedLayout, ranks: number): string[] {
  const { enabled, devices, dataParallel, modelParallel, pipelineStages } = layout;
  if (!enabled || devices === ranks) return [];
  const turns = ranks === 1 ? dataParallel : (dataParallel * modelParallel * pipelineStages) / ranks;
  const global =
    turns === 1
      ? ''
      : `, and accumulates ${turns} times as many micro-batches, so that a step has as many rows`;
  return [
    `parallel_config asks for ${devices} devices (${axes(layout).join(', ')}); this run uses ${ranks === 1 ? 'one' : ranks}${global}.`,
  ];
}
