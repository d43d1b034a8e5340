/** The devices that a published run asks for. */
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

/** A sentence where one device takes the place of several. */
export function layoutWarnings({
  enabled,
  devices,
  dataParallel,
  modelParallel,
  pipelineStages,
}: PublishedLayout): string[] {
  if (!enabled || devices === 1) return [];
  const parts = [
    `${dataParallel} x data`,
    `${modelParallel} x model`,
    `${pipelineStages} x pipeline parallel`,
  ];
  const global =
    dataParallel === 1
      ? ''
      : `, and accumulates ${dataParallel} times as many micro-batches, so that a step has as many rows`;
  return [`parallel_config asks for ${devices} devices (${parts.join(', ')}); this run uses one${global}.`];
}
