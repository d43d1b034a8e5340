/**
 * Keys that transformers writes into every config.json, whatever the model: those that mean nothing here, and those that
 * mean nothing at one value. Any other value would be another model and is refused by name.
 */
import { z } from 'zod';

const anything = z.unknown().optional();
const only = <Value extends boolean | number | string>(value: Value) => z.literal(value).nullish();
const rate = z.number().min(0).max(1);

export const tokenIdKey = z.int().nonnegative().nullish();

/** One id, or several: each ends an answer. The first is the one that is learned and written. */
export const endTokenKey = z
  .union([z.int().nonnegative(), z.array(z.int().nonnegative()).nonempty()], {
    error: 'must be a token id, or a list of such with one at least',
  })
  .nullish();

/** @returns every id that ends an answer, the one that is learned first */
export function endTokenIds(key: z.output<typeof endTokenKey>): readonly number[] {
  return typeof key === 'number' ? [key] : (key ?? []);
}

/** How weights were stored and by what, and how outputs are wrapped: nothing of the numbers. */
const withoutMeaning = {
  architectures: z.array(z.string()).nullish(),
  auto_map: z.record(z.string(), z.unknown()).nullish(),
  dtype: z.string().nullish(),
  torch_dtype: z.string().nullish(),
  transformers_version: z.string().nullish(),
  tokenizer_class: z.string().nullish(),
  use_cache: z.boolean().nullish(),
  _name_or_path: z.string().nullish(),
  name_or_path: z.string().nullish(),
  _commit_hash: z.string().nullish(),
  _attn_implementation: z.string().nullish(),
  attn_implementation: z.string().nullish(),
  _attn_implementation_autoset: z.boolean().nullish(),
  return_dict: z.boolean().nullish(),
  output_attentions: z.boolean().nullish(),
  output_hidden_states: z.boolean().nullish(),
  torchscript: z.boolean().nullish(),
  use_bfloat16: z.boolean().nullish(),
  finetuning_task: anything,
  id2label: anything,
  label2id: anything,
  num_labels: z.int().nullish(),
  problem_type: anything,
  prefix: anything,
  task_specific_params: anything,
  unk_token_id: z.int().nullish(),
  sep_token_id: z.int().nullish(),
  // Slices of the same products.
  pretraining_tp: z.int().nullish(),
  // Of recomputing and of the loss of experts in training.
  gradient_checkpointing: z.boolean().nullish(),
};

/** How answers are drawn: a request or generation_config.json says so here, and the model is the same. */
const ofGeneration = Object.fromEntries(
  (
    'max_length min_length max_new_tokens do_sample early_stopping num_beams num_beam_groups diversity_penalty temperature ' +
    'top_k top_p typical_p repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size ' +
    'bad_words_ids num_return_sequences output_scores return_dict_in_generate forced_bos_token_id forced_eos_token_id ' +
    'remove_invalid_values exponential_decay_length_penalty suppress_tokens begin_suppress_tokens decoder_start_token_id'
  )
    .split(' ')
    .map((key) => [key, anything]),
);

const quantised = z
  .unknown()
  .refine((value) => value === undefined || value === null, {
    error: 'quantised weights are not read here; take the unquantised model',
  })
  .optional();

const oneValueOnly = {
  add_cross_attention: only(false),
  is_encoder_decoder: only(false),
  is_decoder: z.boolean().nullish(),
  cross_attention_hidden_size: z.null().optional(),
  chunk_size_feed_forward: only(0),
  tie_encoder_decoder: only(false),
  pruned_heads: z.record(z.string(), z.never()).nullish(),
  tf_legacy_loss: only(false),
  // Read with the weights, and gone by then.
  quantization_config: z.null().optional(),
  /** MLX's. */
  quantization: quantised,
  sliding_window: z.null({ error: 'only null, attention to all tokens' }).optional(),
  use_sliding_window: only(false),
  max_window_layers: z.int().nullish(),
  layer_types: z.array(z.literal('full_attention')).nullish(),
  partial_rotary_factor: only(1),
};

/** For the schema of every family whose config transformers writes. */
export const transformersKeys = { ...ofGeneration, ...withoutMeaning, ...oneValueOnly };

/** Keys of a Llama, at the values at which they are the families here. */
export const llamaKeys = {
  attention_bias: only(false),
  mlp_bias: only(false),
  attention_dropout: only(0),
  hidden_dropout: only(0),
};

/** Dropout rates of models that have no dropout here. */
export const dropoutRate = rate.nullish();

/** How positions are stretched: null, or by name; `default` stretches nothing. */
export const plainRopeScaling = z
  .looseObject(
    { rope_type: only('default'), type: only('default') },
    {
      error: 'only null or the type "default"; the published code knows no other rotation',
    },
  )
  .nullish();
