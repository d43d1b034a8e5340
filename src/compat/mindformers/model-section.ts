/** model.model_config as the configs of the families: Spark's is one already, MindFormers' TeleChat is renamed. */
import { z } from 'zod';
import { parseConfig } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { type Architecture, parseArchitecture } from '../../models/index.js';
import { type IgnoredKey, sortKeys } from '../key-tree.js';
import { sparkModelKeys, telechatModelKeys } from './model-keys.js';

export interface PublishedModel {
  readonly architecture: Architecture;
  /** What parseArchitecture and model.config of a training configuration take. */
  readonly config: Record<string, unknown>;
  readonly ignored: readonly IgnoredKey[];
}

const positive = z.int().positive();
const tokenId = z.int().nonnegative();
const rate = z.number().min(0).max(1).optional();

const telechatSchema = z.object({
  net_name: z.enum(['telechat_7b', 'telechat_12b', 'telechat_52b']),
  seq_length: positive.default(2048),
  hidden_size: positive,
  intermediate_size: positive,
  num_layers: positive,
  num_heads: positive,
  vocab_size: positive,
  rms_norm_eps: z.number().positive().default(1e-5),
  bos_token_id: tokenId.optional(),
  eos_token_id: tokenId.optional(),
  pad_token_id: tokenId.optional(),
  embed_dropout_prob: rate,
  hidden_dropout_prob: rate,
  attention_dropout_prob: rate,
  use_mup: z.boolean().default(false),
  output_mult: z.number().default(1),
  mup_scale_factor: z.number().positive().default(1),
  wo_has_bias: z.boolean().optional(),
  pretrain_seqlen: positive.optional(),
  extend_method: z
    .string()
    .refine((method) => method === 'None' || method === 'NTK', {
      message: 'expected "None" or "NTK"; there is no model with other ways to longer contexts',
    })
    .default('None'),
});

/**
 * @param source names the file in messages
 * @throws InputError for unknown keys and for values that no model of the family has
 */
export function readModelSection(section: Readonly<Record<string, unknown>>, source: string): PublishedModel {
  const location = `${source}: model.model_config`;
  switch (section.type) {
    case 'IFlytekSparkConfig': {
      const ignored = prefixed(sortKeys(section, sparkModelKeys, location));
      // Keys of the programs around the model; the family's own schema does not know them.
      const { auto_register: _, auto_map: __, max_decode_length: ___, ...model } = section;
      return finish({ model: { model_config: model } }, ignored, source);
    }
    case 'TelechatConfig': {
      const ignored = prefixed(sortKeys(section, telechatModelKeys, location));
      return finish(
        telechatConfig(parseConfig(telechatSchema, section, { source: location })),
        ignored,
        source,
      );
    }
    default:
      throw new InputError(
        `${location}.type: expected "IFlytekSparkConfig" or "TelechatConfig", got ${JSON.stringify(section.type)}.`,
      );
  }
}

function prefixed(ignored: readonly IgnoredKey[]): IgnoredKey[] {
  return ignored.map(({ key, reason }) => ({ key: `model.model_config.${key}`, reason }));
}

function finish(
  config: Record<string, unknown>,
  ignored: readonly IgnoredKey[],
  source: string,
): PublishedModel {
  return { architecture: parseArchitecture(config, source), config, ignored };
}

/** config.json of the torch release of the same model. */
function telechatConfig(model: z.output<typeof telechatSchema>): Record<string, unknown> {
  const common = {
    model_type: 'telechat',
    vocab_size: model.vocab_size,
    n_layer: model.num_layers,
    n_head: model.num_heads,
    layer_norm_epsilon: model.rms_norm_eps,
    bos_token_id: model.bos_token_id,
    eos_token_id: model.eos_token_id,
    pad_token_id: model.pad_token_id,
  };
  const config =
    model.net_name === 'telechat_52b'
      ? {
          ...common,
          n_embd: model.hidden_size,
          n_inner: model.intermediate_size,
          n_positions: model.seq_length,
          use_mup: model.use_mup,
          output_mult: model.output_mult,
          mup_scale_factor: model.mup_scale_factor,
          embd_pdrop: model.embed_dropout_prob,
          resid_pdrop: model.hidden_dropout_prob,
          attn_pdrop: model.attention_dropout_prob,
          activation_function: 'silu',
          add_bias_linear: model.wo_has_bias ?? false,
          relative_encoding: 'rotary',
          rotary_use_xpos: false,
          use_RMSNorm: true,
        }
      : {
          ...common,
          hidden_size: model.hidden_size,
          ffn_hidden_size: model.intermediate_size,
          seq_length: model.seq_length,
          training_seqlen: model.pretrain_seqlen ?? 8192,
          tie_word_embeddings: model.net_name === 'telechat_7b',
          hidden_dropout: model.hidden_dropout_prob,
          attention_dropout: model.attention_dropout_prob,
        };
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
}

/** A sentence for each dropout rate that is not 0: the models here have none. */
export function dropoutsOf(section: Readonly<Record<string, unknown>>): string[] {
  return ['embed_dropout_prob', 'hidden_dropout_prob', 'attention_dropout_prob']
    .filter((key) => typeof section[key] === 'number' && section[key] !== 0)
    .map((key) => `model.model_config.${key} is ${String(section[key])}: the models here have no dropout.`);
}
