/**
 * A family's model as transformers' Llama, which loads without code from elsewhere: names and shapes of Llama's tensors, its
 * config, and biases of zero where Llama has all of a block or none.
 */
import type { NameScheme } from '../../checkpoint/index.js';
import { type GgufRow, ggufScheme } from '../convert/gguf/gguf-layout.js';
import type { ModelShape } from '../model-shape.js';

export interface LlamaForm {
  readonly scheme: NameScheme;
  /** Of the folder. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Vectors of zeros that the model does not have, by name. */
  readonly zeros: ReadonlyMap<string, number>;
  /** What is not the same as in the published model, in sentences. */
  readonly remarks: readonly string[];
}

/** Why a model is no Llama. */
export interface LlamaRefusal {
  readonly unsupported: string;
}

interface LlamaFormOptions {
  /** Ours and Llama's tensors; where they are taken apart it is as in a GGUF. */
  readonly rows: readonly GgufRow[];
  /** Of what the embedding and the output projection are multiplied with. Default: of nothing. */
  readonly factors?: ReadonlyMap<string, number>;
  readonly normEpsilon: number;
  readonly initializerRange: number;
  readonly ropeBase: number;
  /** transformers' rope_scaling. Default: positions are not stretched. */
  readonly ropeScaling?: Readonly<Record<string, unknown>> | undefined;
  readonly maxPositions: number;
  readonly attentionBias?: boolean;
  readonly mlpBias?: boolean;
  /** Names of biases, `{i}` for the layer, that the model does not have. Default: none. */
  readonly zeroBiases?: readonly LlamaBias[];
  readonly tokens: LlamaTokens;
  readonly remarks?: readonly string[];
}

export type LlamaBias =
  | 'self_attn.q_proj'
  | 'self_attn.k_proj'
  | 'self_attn.v_proj'
  | 'mlp.gate_proj'
  | 'mlp.up_proj';

interface LlamaTokens {
  readonly bos_token_id?: unknown;
  readonly eos_token_id?: unknown;
  readonly pad_token_id?: unknown;
}

export function llamaForm(shape: ModelShape, options: LlamaFormOptions): LlamaForm {
  const { rows, factors, zeroBiases = [], tokens } = options;
  const { numHeads, numKvHeads, headDim, intermediateSize, numLayers } = shape;
  const widths: Readonly<Record<LlamaBias, number>> = {
    'self_attn.q_proj': numHeads * headDim,
    'self_attn.k_proj': numKvHeads * headDim,
    'self_attn.v_proj': numKvHeads * headDim,
    'mlp.gate_proj': intermediateSize,
    'mlp.up_proj': intermediateSize,
  };
  const layers = Array.from({ length: numLayers }, (_, layer) => layer);
  return {
    // Vectors keep their dtype: that they are float32 is llama.cpp's rule.
    scheme: { ...ggufScheme(rows, factors === undefined ? {} : { factors }), float32Vectors: false },
    config: {
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      vocab_size: shape.vocabSize,
      hidden_size: shape.hiddenSize,
      intermediate_size: intermediateSize,
      num_hidden_layers: numLayers,
      num_attention_heads: numHeads,
      num_key_value_heads: numKvHeads,
      head_dim: headDim,
      hidden_act: 'silu',
      max_position_embeddings: options.maxPositions,
      rms_norm_eps: options.normEpsilon,
      initializer_range: options.initializerRange,
      rope_theta: options.ropeBase,
      ...(options.ropeScaling !== undefined && { rope_scaling: options.ropeScaling }),
      attention_bias: options.attentionBias ?? false,
      mlp_bias: options.mlpBias ?? false,
      tie_word_embeddings: shape.tied,
      bos_token_id: tokens.bos_token_id ?? null,
      eos_token_id: tokens.eos_token_id ?? null,
      pad_token_id: tokens.pad_token_id ?? null,
    },
    zeros: new Map(
      zeroBiases.flatMap((bias) =>
        layers.map((layer) => [`model.layers.${layer}.${bias}.bias`, widths[bias]]),
      ),
    ),
    remarks: options.remarks ?? [],
  };
}
