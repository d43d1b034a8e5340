/** Every key of a DeepSpeed file that is known here, and what becomes of it. */
import { type KeyTree, mapped } from '../key-tree.js';

const COMMUNICATION = 'sizes and order of messages between devices; one device sends none';
const REPORTS = 'reports of DeepSpeed; metrics.jsonl, TensorBoard files and a live page are ours';
const FILES = "layout of DeepSpeed's checkpoint files";
const CHECKS = "checks of DeepSpeed's own optimisers";

const offloadKeys: KeyTree = {
  device: mapped,
  nvme_path: mapped,
  pin_memory: COMMUNICATION,
  buffer_count: COMMUNICATION,
  buffer_size: COMMUNICATION,
  max_in_cpu: COMMUNICATION,
  fast_init: COMMUNICATION,
  pipeline_read: COMMUNICATION,
  pipeline_write: COMMUNICATION,
  ratio: COMMUNICATION,
};

const zeroKeys: KeyTree = {
  stage: mapped,
  offload_optimizer: offloadKeys,
  offload_param: offloadKeys,
  cpu_offload: mapped,
  ...Object.fromEntries(
    [
      'allgather_partitions',
      'allgather_bucket_size',
      'overlap_comm',
      'reduce_scatter',
      'reduce_bucket_size',
      'contiguous_gradients',
      'round_robin_gradients',
      'sub_group_size',
      'ignore_unused_parameters',
      'stage3_max_live_parameters',
      'stage3_max_reuse_distance',
      'stage3_prefetch_bucket_size',
      'stage3_param_persistence_threshold',
      'zero_hpz_partition_size',
      'zero_quantized_weights',
      'zero_quantized_gradients',
      'memory_efficient_linear',
      'zero_quantized_nontrainable_weights',
      'use_multi_rank_bucket_allreduce',
      'stage3_use_all_reduce_for_fetch_params',
      'stage3_module_granularity_threshold',
      'stage3_model_persistence_threshold',
      'mics_shard_size',
      'mics_hierarchical_params_gather',
      'cpu_offload_use_pin_memory',
      'log_trace_cache_warnings',
      'legacy_stage1',
    ].map((key) => [key, COMMUNICATION]),
  ),
  stage3_gather_16bit_weights_on_model_save: FILES,
  stage3_gather_fp16_weights_on_model_save: FILES,
  elastic_checkpoint: FILES,
  load_from_fp32_weights: FILES,
};

const parameterBlock: KeyTree = { type: mapped, params: mapped };

/** Sections that mean nothing while they are off. */
export const offOnly: readonly string[] = [
  'elasticity',
  'amp',
  'torch_autocast',
  'curriculum_learning',
  'data_efficiency',
  'progressive_layer_drop',
  'eigenvalue',
  'quantize_training',
  'autotuning',
  'hybrid_engine',
];

const OVERFLOW = 'a step that is not finite is what training.non_finite says';
const brainKeys: KeyTree = {
  enabled: mapped,
  bf16_master_weights_and_grads: mapped,
  bf16_optimizer_states: mapped,
  immediate_grad_update: COMMUNICATION,
  check_grad_overflow: OVERFLOW,
  check_overflow: OVERFLOW,
};

export const deepspeedKeys: KeyTree = {
  train_batch_size: mapped,
  train_micro_batch_size_per_gpu: mapped,
  gradient_accumulation_steps: mapped,
  gradient_clipping: mapped,
  optimizer: parameterBlock,
  scheduler: parameterBlock,
  fp16: {
    enabled: mapped,
    loss_scale: mapped,
    initial_scale_power: mapped,
    loss_scale_window: mapped,
    min_loss_scale: 'the loss scale may fall as far as it must',
    hysteresis: 'the loss scale falls at each overflow',
    consecutive_hysteresis: 'the loss scale falls at each overflow',
    auto_cast: 'inputs are ids',
    fp16_master_weights_and_grads: mapped,
  },
  bf16: brainKeys,
  bfloat16: brainKeys,
  ...Object.fromEntries(offOnly.map((name) => [name, mapped])),
  zero_optimization: zeroKeys,
  zero_allow_untested_optimizer: CHECKS,
  zero_force_ds_cpu_optimizer: CHECKS,
  prescale_gradients: COMMUNICATION,
  gradient_predivide_factor: COMMUNICATION,
  communication_data_type: COMMUNICATION,
  sparse_gradients: COMMUNICATION,
  disable_allgather: COMMUNICATION,
  seq_parallel_communication_data_type: COMMUNICATION,
  activation_checkpointing: 'recomputing is chosen by the arguments',
  aio: COMMUNICATION,
  checkpoint: FILES,
  load_universal_checkpoint: FILES,
  data_types: COMMUNICATION,
  steps_per_print: REPORTS,
  wall_clock_breakdown: REPORTS,
  dump_state: REPORTS,
  flops_profiler: REPORTS,
  comms_logger: REPORTS,
  tensorboard: REPORTS,
  wandb: REPORTS,
  csv_monitor: REPORTS,
  comet: REPORTS,
  memory_breakdown: REPORTS,
  timers: REPORTS,
};
