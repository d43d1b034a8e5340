/** Names that other programs give to what our training configuration has under a name of its own, and our own in a wrong place. */
import { knownKeysAt } from '../config/index.js';
import { trainConfigSchema } from '../training/index.js';

/** Ours first, then what Hugging Face's TrainingArguments, PEFT, LLaMA-Factory, axolotl, Megatron, DeepSpeed and Lightning say. */
const NAMES: readonly (readonly [ours: string, theirs: string])[] = [
  ['output', 'output_dir output_path out_dir save_dir save_path save'],
  ['seed', 'data_seed random_seed manual_seed'],
  ['device', 'device_map accelerator use_cpu no_cuda'],
  ['threads', 'dataloader_num_workers preprocessing_num_workers num_workers dataset_processes'],
  ['deterministic', 'full_determinism use_deterministic_algorithms'],
  [
    'model.path',
    'model_name_or_path pretrained_model_name_or_path model_name model_path base_model checkpoint_path load',
  ],
  ['model.config', 'config_name model_config base_model_config'],
  [
    'model.tokenizer',
    'tokenizer_name tokenizer_name_or_path tokenizer_path tokenizer_model tokenizer_config',
  ],
  ['model.adapter', 'adapter_name_or_path lora_model_dir adapter_path peft_model_id'],
  ['data.files', 'train_file train_files train_data dataset_name datasets data_files'],
  ['data.dataset', 'dataset dataset_dir dataset_path data_path dataset_prepared_path'],
  ['data.form', 'template formatting dataset_format chat_template data_format'],
  [
    'data.sequence_length',
    'cutoff_len max_seq_length max_seq_len max_length max_source_length seq_length seq_len sequence_len model_max_length block_size context_length',
  ],
  ['data.packing', 'sample_packing pack_to_max_length neat_packing group_by_length'],
  ['data.shuffle', 'disable_shuffling shuffle_data'],
  ['evaluation.every', 'eval_steps eval_interval evaluation_steps val_check_interval eval_freq'],
  ['evaluation.files', 'eval_dataset validation_file val_file eval_file test_datasets val_data'],
  ['evaluation.max_rows', 'max_eval_samples limit_val_batches eval_iters'],
  ['lora.rank', 'lora_rank lora_r r lora_dim'],
  ['lora.alpha', 'lora_alpha'],
  ['lora.dropout', 'lora_dropout'],
  [
    'lora.target_modules',
    'lora_target lora_target_modules lora_modules lora_target_linear lora_module_name modules',
  ],
  ['lora.rank_stabilized', 'use_rslora rslora peft_use_rslora'],
  ['lora.dora', 'use_dora peft_use_dora'],
  ['lora.plus_ratio', 'loraplus_lr_ratio'],
  [
    'training.steps',
    'max_steps total_steps num_steps train_steps max_train_steps train_iters max_iters num_iterations iterations',
  ],
  ['training.epochs', 'num_train_epochs num_epochs max_epochs epoch n_epochs'],
  [
    'training.micro_batch_size',
    'per_device_train_batch_size per_device_eval_batch_size per_gpu_train_batch_size train_micro_batch_size_per_gpu train_batch_size batch_size bs micro_batch device_batch_size',
  ],
  [
    'training.gradient_accumulation_steps',
    'gradient_accumulation grad_accum grad_accumulation_steps grad_accum_steps accumulate_grad_batches accumulation_steps update_freq',
  ],
  [
    'training.precision',
    'bf16 fp16 tf32 mixed_precision torch_dtype dtype pure_bf16 float16 bfloat16 use_bf16 use_fp16',
  ],
  ['training.learning_rate', 'lr max_lr peak_lr base_lr max_learning_rate initial_lr'],
  ['training.min_learning_rate', 'min_lr lr_min eta_min lr_end cosine_min_lr min_lr_rate'],
  [
    'training.warmup_steps',
    'warmup num_warmup_steps warmup_iters lr_warmup_steps lr_warmup_iters warmup_step',
  ],
  ['training.warmup_ratio', 'warmup_proportion lr_warmup_fraction warmup_fraction'],
  ['training.schedule', 'lr_scheduler_type lr_scheduler lr_schedule scheduler lr_decay_style scheduler_type'],
  ['training.decay_steps', 'lr_decay_iters num_decay_steps lr_decay_steps'],
  ['training.adamw', 'optim optimizer optimizer_type optimizer_name'],
  ['training.beta1', 'adam_beta1 adam_b1'],
  ['training.beta2', 'adam_beta2 adam_b2'],
  ['training.eps', 'adam_epsilon adam_eps epsilon'],
  ['training.weight_decay', 'wd adam_weight_decay'],
  [
    'training.max_grad_norm',
    'gradient_clipping clip_grad grad_clip gradient_clip_val max_norm clip_grad_norm gradient_clip grad_norm_clip',
  ],
  [
    'training.recompute',
    'gradient_checkpointing activation_checkpointing recompute_granularity use_gradient_checkpointing activation_checkpoint',
  ],
  ['training.neftune_noise_alpha', 'neftune_alpha neftune noise_alpha'],
  ['training.objective.loss', 'pref_loss loss_type dpo_loss preference_loss rl rlhf_type'],
  ['training.objective.beta', 'pref_beta dpo_beta kto_beta orpo_beta simpo_beta ref_policy_kl_penalty'],
  ['training.objective.label_smoothing', 'dpo_label_smoothing'],
  ['training.objective.simpo_gamma', 'gamma simpo_margin'],
  ['training.objective.desirable_weight', 'kto_chosen_weight'],
  ['training.objective.undesirable_weight', 'kto_rejected_weight'],
  ['training.loss_scale', 'initial_scale_power loss_scaling'],
  ['training.offload', 'cpu_offload offload_optimizer zero_offload'],
  ['checkpoints.every', 'save_steps save_interval save_every save_freq checkpoint_every'],
  ['checkpoints.keep_last', 'save_total_limit max_to_keep keep_last_n_checkpoints'],
  ['checkpoints.keep_best', 'load_best_model_at_end save_best'],
  ['watch.tensorboard', 'report_to logging_dir tensorboard_dir use_tensorboard'],
];

const SECTIONS = ['training', 'data', 'model', 'lora', 'checkpoints', 'evaluation', 'watch'] as const;

let known: ReadonlyMap<string, string> | undefined;

function table(): ReadonlyMap<string, string> {
  if (known !== undefined) return known;
  const found = new Map<string, string>();
  for (const section of SECTIONS)
    for (const key of knownKeysAt(trainConfigSchema, [section]))
      if (!found.has(key)) found.set(key, `${section}.${key}`);
  for (const key of knownKeysAt(trainConfigSchema, ['training', 'objective']))
    if (!found.has(key)) found.set(key, `training.objective.${key}`);
  for (const [ours, theirs] of NAMES) for (const name of theirs.split(' ')) found.set(name, ours);
  for (const key of knownKeysAt(trainConfigSchema, []))
    if (!SECTIONS.some((section) => section === key)) found.set(key, key);
  known = found;
  return found;
}

/** "training.learning_rate" for lr; undefined for a name that no one uses for anything of ours. */
export function ourKeyFor(foreign: string): string | undefined {
  return table().get(foreign.toLowerCase().replaceAll('-', '_'));
}

/** Names whose values mean something else here, or that have no key at all. */
const REMARKS: ReadonlyMap<string, string> = new Map([
  ['resume_from_checkpoint', 'say `--resume auto` or `--resume PATH` on the command line'],
  ['finetuning_type', 'a `lora` section trains adapters, without one all weights are trained'],
  ['peft_type', 'a `lora` section trains adapters, without one all weights are trained'],
  ['use_lora', 'a `lora` section trains adapters, without one all weights are trained'],
  ['stage', 'data.form says what the records are: `text` pre-trains, dialogues fine-tune'],
  ['logging_steps', 'every step is logged; remove it'],
  ['do_train', 'xinghe train always trains; remove it'],
  ['do_eval', 'an `evaluation` section evaluates'],
  ['overwrite_output_dir', 'name a new `output`, or go on with --resume auto'],
  ['deepspeed', 'name the launch script that has it with --config run.sh'],
]);

/** What to say of an unknown key instead of a guess by its letters. */
export function foreignKeyHint(key: string): string | undefined {
  const remark = REMARKS.get(key.toLowerCase().replaceAll('-', '_'));
  if (remark !== undefined) return remark;
  const ours = ourKeyFor(key);
  return ours === undefined ? undefined : `here it is \`${ours}\``;
}
