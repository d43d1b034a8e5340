/** Every key of the published run files (Spark's, MindFormers r1.0 and r1.5), and what becomes of it. */
import { type KeyTree, mapped } from '../key-tree.js';
import { GRAPH, PARALLEL, REGISTRY } from './reasons.js';

const SINK = 'sinking of data to the device; rows are read as they are needed';
const READING = 'threads of the data reader; rows are mapped from the file';
const ROWS = 'rows of one epoch run on into the next, none is dropped';
const PROFILE = 'MindSpore profiler; metrics.jsonl has the time of every phase';
const TUNING = 'search for a parallel strategy by MindSpore';
const CLOUD = 'upload to a cloud service; copy the output folder';
const LAYERWISE = 'rates by layer for pictures; no published recipe switches them on';
const SAME_DATA = 'says the same as the data section';
const RANKS = 'checkpoints are one set of files, whatever the layout';
const SAFE_LOAD = 'ranks of any layout are joined when weights are loaded';
const STRATEGY =
  'strategy files are found beside the ranks or in strategy/ there; one elsewhere is read by xinghe convert --source-strategy';
const RECOMPUTED_COMMUNICATION = 'recomputing of messages between devices; one device sends none';

export const datasetKeys: KeyTree = {
  data_loader: {
    type: mapped,
    dataset_dir: mapped,
    dataset_files: mapped,
    shuffle: mapped,
  },
  input_columns: mapped,
  batch_size: mapped,
  repeat: mapped,
  drop_remainder: ROWS,
  num_parallel_workers: READING,
  python_multiprocessing: READING,
  numa_enable: READING,
  prefetch_size: READING,
  do_eval: SAME_DATA,
  seed: SAME_DATA,
};

export const evaluationKeys: KeyTree = {
  ...datasetKeys,
  data_loader: {
    type: mapped,
    dataset_dir: mapped,
    dataset_files: mapped,
    shuffle: 'an evaluation reads its rows in order',
  },
  repeat: 'an evaluation reads its rows once',
  batch_size: 'an evaluation takes rows as training does',
  input_columns: 'the columns of the file are known by their names',
};

const taskKeys: KeyTree = { type: REGISTRY, dataset_config: SAME_DATA };

const checkpointKeys: KeyTree = {
  type: mapped,
  save_checkpoint_steps: mapped,
  keep_checkpoint_max: mapped,
  async_save: mapped,
  prefix: 'checkpoints are called step-N',
  directory: 'checkpoints lie in the output folder',
  integrated_save: RANKS,
  save_network_params: RANKS,
  save_trainable_params: RANKS,
};

/** By type. */
export const callbackKeys: Readonly<Record<string, KeyTree>> = {
  MFLossMonitor: {
    type: 'every step is in metrics.jsonl',
    per_print_times: 'every step is in metrics.jsonl',
    learning_rate: 'every step is in metrics.jsonl',
  },
  CheckpointMointor: checkpointKeys,
  CheckpointMonitor: checkpointKeys,
  SummaryMonitor: { type: mapped },
  ObsMonitor: { type: CLOUD, upload_frequence: CLOUD },
  EvalCallBack: { type: SAME_DATA },
  ProfileMonitor: { type: PROFILE },
};

/** Everything but the content of model.model_config and of the callbacks, which go by their types. */
export const publishedKeys: KeyTree = {
  seed: mapped,
  output_dir: mapped,
  load_checkpoint: mapped,
  src_strategy_path_or_dir: STRATEGY,
  auto_trans_ckpt: SAFE_LOAD,
  only_save_strategy: mapped,
  resume_training: mapped,
  resume: mapped,
  use_parallel: mapped,
  run_mode: mapped,
  task: mapped,
  device_id: mapped,
  tokenizer_file: mapped,
  predict_data: mapped,
  predict_length: mapped,
  predict_batch: mapped,
  prompt: mapped,
  streamer: mapped,
  optimizer_parallel: mapped,
  mindir_save_dir: mapped,
  xinghe: mapped,
  trainer: { type: REGISTRY, model_name: mapped },
  runner_config: {
    epochs: mapped,
    batch_size: mapped,
    gradient_accumulation_steps: mapped,
    sink_mode: SINK,
    sink_size: SINK,
    sink_per_epoch: SINK,
    num_classes: REGISTRY,
    image_size: REGISTRY,
  },
  optimizer: {
    type: mapped,
    beta1: mapped,
    beta2: mapped,
    betas: mapped,
    eps: mapped,
    learning_rate: mapped,
    weight_decay: mapped,
  },
  lr_schedule: {
    type: mapped,
    learning_rate: mapped,
    lr_end: mapped,
    warmup_steps: mapped,
    warmup_ratio: mapped,
    warmup_lr_init: mapped,
    total_steps: mapped,
  },
  train_dataset: mapped,
  eval_dataset: mapped,
  train_dataset_task: taskKeys,
  eval_dataset_task: taskKeys,
  do_eval: mapped,
  eval_step_interval: mapped,
  eval_epoch_interval: mapped,
  parallel_config: {
    data_parallel: mapped,
    model_parallel: mapped,
    pipeline_stage: mapped,
    optimizer_shard: mapped,
    micro_batch_num: mapped,
    use_seq_parallel: mapped,
    vocab_emb_dp: mapped,
    gradient_aggregation_group: mapped,
    expert_parallel: PARALLEL,
  },
  micro_batch_interleave_num: PARALLEL,
  recompute_config: {
    recompute: mapped,
    select_recompute: mapped,
    select_comm_recompute: RECOMPUTED_COMMUNICATION,
    parallel_optimizer_comm_recompute: RECOMPUTED_COMMUNICATION,
    mp_comm_recompute: RECOMPUTED_COMMUNICATION,
    recompute_slice_activation: RECOMPUTED_COMMUNICATION,
  },
  callbacks: mapped,
  eval_callbacks: CLOUD,
  context: {
    device_target: mapped,
    max_device_memory: 'memory is taken as it is needed',
    device_id: mapped,
    mode: GRAPH,
    enable_graph_kernel: GRAPH,
    graph_kernel_flags: GRAPH,
    max_call_depth: GRAPH,
    save_graphs: GRAPH,
    save_graphs_path: GRAPH,
    jit_config: GRAPH,
    ascend_config: GRAPH,
    runtime_num_threads: GRAPH,
  },
  parallel: {
    enable_parallel_optimizer: mapped,
    parallel_mode: PARALLEL,
    gradients_mean: PARALLEL,
    enable_alltoall: PARALLEL,
    full_batch: PARALLEL,
    search_mode: PARALLEL,
    strategy_ckpt_save_file: PARALLEL,
    strategy_ckpt_config: PARALLEL,
    parallel_optimizer_config: PARALLEL,
  },
  model: { model_config: mapped, arch: REGISTRY },
  processor: {
    type: REGISTRY,
    return_tensors: REGISTRY,
    tokenizer: {
      vocab_file: mapped,
      tokenizer_file: mapped,
      type: 'the tokenizer is known by its file',
      unk_token: 'the tokenizer is known by its file',
      bos_token: 'the tokenizer is known by its file',
      eos_token: 'the tokenizer is known by its file',
      pad_token: 'the tokenizer is known by its file',
      auto_register: REGISTRY,
    },
  },
  metric: mapped,
  runner_wrapper: {
    type: REGISTRY,
    scale_sense: mapped,
    use_clip_grad: mapped,
    max_grad_norm: mapped,
  },
  auto_tune: TUNING,
  filepath_prefix: TUNING,
  autotune_per_step: TUNING,
  profile: PROFILE,
  profile_start_step: PROFILE,
  profile_stop_step: PROFILE,
  init_start_profile: PROFILE,
  profile_communication: PROFILE,
  profile_memory: PROFILE,
  layer_scale: LAYERWISE,
  layer_decay: LAYERWISE,
  lr_scale_factor: LAYERWISE,
  remote_save_url: CLOUD,
};
