/** Configs of the Llama layout, TeleChat3's and XVERSE's among them: released models by size, defaults of absent keys, what is refused. */
import { describe, expect, test } from 'vitest';
import { goldenFolder } from '../../tests/support/golden.js';
import { type Architecture, loadArchitecture, parseArchitecture } from './index.js';

type Config = Record<string, unknown>;

const sizes = {
  vocab_size: 320,
  hidden_size: 64,
  intermediate_size: 56,
  num_hidden_layers: 3,
  num_attention_heads: 8,
};

const parse = (config: Config): Architecture => parseArchitecture(config, 'config.json');

/** The keys of a released model that say its sizes. */
function sized(
  model_type: string,
  [vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads]: number[],
  more: Config = {},
): Config {
  return {
    model_type,
    vocab_size,
    hidden_size,
    intermediate_size,
    num_hidden_layers,
    num_attention_heads,
    ...more,
  };
}

const llama3 = {
  rope_type: 'llama3',
  factor: 8.0,
  low_freq_factor: 1.0,
  high_freq_factor: 4.0,
  original_max_position_embeddings: 8192,
};

/** Parameters as the hub counts them in the published safetensors. */
const RELEASED: readonly [name: string, parameters: number, contextLength: number, config: Config][] = [
  [
    'Llama-2-7B',
    6_738_415_616,
    4096,
    sized('llama', [32000, 4096, 11008, 32, 32], { max_position_embeddings: 4096 }),
  ],
  [
    'Llama-3.1-8B',
    8_030_261_248,
    131_072,
    sized('llama', [128256, 4096, 14336, 32, 32], {
      num_key_value_heads: 8,
      max_position_embeddings: 131_072,
      rope_theta: 500000.0,
      rope_scaling: llama3,
      eos_token_id: [128001, 128008, 128009],
      bos_token_id: 128000,
      mlp_bias: false,
      attention_bias: false,
    }),
  ],
  [
    'TinyLlama-1.1B',
    1_100_048_384,
    2048,
    sized('llama', [32000, 2048, 5632, 22, 32], { num_key_value_heads: 4, max_position_embeddings: 2048 }),
  ],
  [
    'SmolLM2-135M',
    134_515_008,
    8192,
    sized('llama', [49152, 576, 1536, 30, 9], {
      num_key_value_heads: 3,
      max_position_embeddings: 8192,
      tie_word_embeddings: true,
      is_llama_config: true,
      rope_interleaved: false,
      rope_scaling: null,
      rope_theta: 100000,
      pad_token_id: 2,
      'transformers.js_config': { dtype: 'q4' },
    }),
  ],
  [
    'Yi-6B',
    6_061_035_520,
    4096,
    sized('llama', [64000, 4096, 11008, 32, 32], {
      num_key_value_heads: 4,
      max_position_embeddings: 4096,
      rope_theta: 5000000.0,
      pad_token_id: 0,
    }),
  ],
  [
    'Vicuna-7B-16k',
    6_738_415_616,
    16_384,
    sized('llama', [32000, 4096, 11008, 32, 32], {
      max_position_embeddings: 4096,
      max_sequence_length: 16_384,
      rope_scaling: { factor: 4.0, type: 'linear' },
    }),
  ],
  [
    'Mistral-7B-v0.1',
    7_241_732_096,
    32_768,
    sized('mistral', [32000, 4096, 14336, 32, 32], {
      num_key_value_heads: 8,
      max_position_embeddings: 32_768,
      sliding_window: 4096,
    }),
  ],
  [
    'Mistral-Nemo',
    12_247_782_400,
    131_072,
    sized('mistral', [131072, 5120, 14336, 40, 32], {
      num_key_value_heads: 8,
      head_dim: 128,
      sliding_window: null,
      rope_theta: 1000000.0,
    }),
  ],
  [
    'Qwen2.5-0.5B',
    494_032_768,
    32_768,
    sized('qwen2', [151936, 896, 4864, 24, 14], {
      num_key_value_heads: 2,
      max_position_embeddings: 32_768,
      tie_word_embeddings: true,
      rope_theta: 1000000.0,
      use_sliding_window: false,
      sliding_window: 32_768,
      max_window_layers: 21,
      use_mrope: false,
    }),
  ],
  [
    'Qwen2.5-7B over 32K tokens',
    7_615_616_512,
    131_072,
    sized('qwen2', [152064, 3584, 18944, 28, 28], {
      num_key_value_heads: 4,
      max_position_embeddings: 32_768,
      rope_scaling: { factor: 4.0, original_max_position_embeddings: 32_768, type: 'yarn' },
    }),
  ],
  [
    'Qwen3-0.6B',
    596_049_920,
    40_960,
    sized('qwen3', [151936, 1024, 3072, 28, 16], {
      num_key_value_heads: 8,
      head_dim: 128,
      max_position_embeddings: 40_960,
      tie_word_embeddings: true,
      attention_bias: false,
    }),
  ],
  [
    'Qwen3-8B',
    8_190_735_360,
    40_960,
    sized('qwen3', [151936, 4096, 12288, 36, 32], {
      num_key_value_heads: 8,
      max_position_embeddings: 40_960,
    }),
  ],
  [
    // As its 4-bit conversion for MLX gives it, without "quantization"; the count follows from the sizes.
    'TeleChat3-36B-Thinking',
    36_239_579_136,
    32_768,
    sized('telechat3', [131072, 6144, 24576, 64, 48], {
      architectures: ['Telechat3ForCausalLM'],
      attention_bias: false,
      attention_dropout: 0.0,
      bos_token_id: 1,
      eos_token_id: 2,
      head_dim: 128,
      hidden_act: 'silu',
      initializer_range: 0.0048,
      max_position_embeddings: 32_768,
      mlp_bias: false,
      num_key_value_heads: 8,
      pad_token_id: 3,
      pretraining_tp: 1,
      rms_norm_eps: 1e-5,
      rope_scaling: {
        beta_fast: 32.0,
        beta_slow: 1.0,
        factor: 4.0,
        original_max_position_embeddings: 8192,
        rope_type: 'telechat3-yarn',
        type: 'telechat3-yarn',
      },
      rope_theta: 1000000.0,
      tie_word_embeddings: false,
      torch_dtype: 'bfloat16',
      transformers_version: '4.53.2',
      use_cache: true,
    }),
  ],
  // By the sizes of their pages; the 7B's count as its conversion for MLX gives it.
  [
    'XVERSE-7B',
    7_299_846_144,
    8192,
    sized('xverse', [100534, 4096, 11008, 32, 32], { max_position_embeddings: 8192 }),
  ],
  [
    'XVERSE-65B',
    66_408_521_728,
    16_384,
    sized('xverse', [100534, 8192, 22016, 80, 64], { max_position_embeddings: 16_384 }),
  ],
];

test.each(RELEASED)('%s has %d parameters', (_, parameters, contextLength, config) => {
  const { family, shape, createModel } = parse(config);
  expect(family).toBe(config.model_type);
  expect(shape.contextLength).toBe(contextLength);
  const model = createModel();
  expect(model.parameterCount()).toBe(parameters);
  model.dispose();
});

describe('absent keys and null', () => {
  test.each<[string, Config, Config]>([
    ['llama', {}, { numKvHeads: 8, headDim: 8, contextLength: 2048, tied: false }],
    ['llama', { num_key_value_heads: null, head_dim: null }, { numKvHeads: 8, headDim: 8 }],
    ['mistral', { num_attention_heads: 16 }, { numKvHeads: 8, headDim: 4, contextLength: 131_072 }],
    ['mistral', { num_key_value_heads: null }, { numKvHeads: 8 }],
    ['qwen2', { num_attention_heads: 64, hidden_size: 128 }, { numKvHeads: 32, contextLength: 32_768 }],
    ['qwen2', { num_key_value_heads: null, head_dim: 4 }, { numKvHeads: 8, headDim: 4 }],
    ['qwen3', { num_attention_heads: 64 }, { numKvHeads: 32, headDim: 128, contextLength: 32_768 }],
    ['qwen3', { num_key_value_heads: null }, { numKvHeads: 8, headDim: 128 }],
    ['telechat3', { hidden_size: 1024 }, { numKvHeads: 8, headDim: 128, contextLength: 2048, tied: false }],
    ['telechat3', { head_dim: null }, { headDim: 8 }],
  ])('%s %j', (model_type, keys, shape) => {
    expect(parse({ ...sizes, model_type, ...keys }).shape).toMatchObject(shape);
  });

  test.each<[string, Config, readonly number[], number | undefined]>([
    ['llama', {}, [2], 1],
    ['llama', { eos_token_id: [3, 7], bos_token_id: null }, [3, 7], undefined],
    ['mistral', {}, [2], 1],
    ['mistral', { eos_token_id: null }, [], 1],
    ['qwen2', {}, [], undefined],
    ['qwen3', { eos_token_id: 9, bos_token_id: 4 }, [9], 4],
    ['telechat3', { hidden_size: 1024 }, [2], 1],
  ])('end tokens and begin token of %s %j', (model_type, keys, ends, begin) => {
    const { eosTokenIds, bosTokenId } = parse({ ...sizes, num_key_value_heads: 8, model_type, ...keys });
    expect(eosTokenIds).toEqual(ends);
    expect(bosTokenId).toBe(begin);
  });

  test.each<[string, Config, readonly (number | undefined)[]]>([
    ['llama', {}, [undefined, undefined, undefined]],
    ['mistral', {}, [4096, 4096, 4096]],
    ['mistral', { sliding_window: 7 }, [7, 7, 7]],
    ['mistral', { sliding_window: null }, [undefined, undefined, undefined]],
    ['qwen2', { sliding_window: 7, max_window_layers: 1 }, [undefined, undefined, undefined]],
    ['qwen2', { sliding_window: 7, max_window_layers: 1, use_sliding_window: true }, [undefined, 7, 7]],
    ['qwen2', { sliding_window: 7, use_sliding_window: true }, [undefined, undefined, undefined]],
    ['qwen2', { max_window_layers: 0, use_sliding_window: true }, [4096, 4096, 4096]],
    [
      'qwen3',
      { sliding_window: null, max_window_layers: 0, use_sliding_window: true },
      [undefined, undefined, undefined],
    ],
    [
      'qwen3',
      {
        sliding_window: 7,
        use_sliding_window: true,
        max_window_layers: 0,
        layer_types: ['full_attention', 'sliding_attention', 'full_attention'],
      },
      [undefined, 7, undefined],
    ],
  ])('windows of %s %j', (model_type, keys, windows) => {
    const model = parse({ ...sizes, num_key_value_heads: 8, model_type, ...keys }).createModel();
    expect(windows.map((_, layer) => model.slidingWindows[layer])).toEqual(windows);
    expect(model.longestWindow).toBe(
      windows.includes(undefined) ? undefined : Math.max(...windows.map(Number)),
    );
  });

  test('a padding id of -1 is none, as in the first Llama', () => {
    expect(parse({ ...sizes, model_type: 'llama', pad_token_id: -1 }).padTokenId).toBeUndefined();
  });
});

test.each<[string, Config, RegExp]>([
  ['llama', { num_key_value_heads: 3 }, /num_key_value_heads: num_attention_heads \(8\) must be a multiple/],
  ['llama', { hidden_size: 60 }, /hidden_size: hidden_size must be a multiple of num_attention_heads \(8\)/],
  ['llama', { hidden_size: 24 }, /head_dim \(3\) must be even/],
  ['llama', { head_dim: 5 }, /head_dim \(5\) must be even/],
  ['llama', { pad_token_id: 320 }, /pad_token_id must be below vocab_size \(320\)/],
  ['llama', { hidden_act: 'gelu' }, /hidden_act/],
  ['llama', { sliding_window: 4096 }, /sliding_window/],
  ['llama', { quantization_config: { bits: 4 } }, /quantization_config: group_size/],
  ['llama', { quantization_config: { quant_method: 'fp8' } }, /quant_method "fp8" is not read here/],
  ['telechat3', { head_dim: 8, quantization: { bits: 4 } }, /quantization: quantised weights are not read/],
  ['llama', { attention_dropout: 0.1 }, /attention_dropout/],
  ['llama', { rope_scaling: { rope_type: 'longrope', factor: 2 } }, /longrope.*is not read/],
  ['llama', { rope_scaling: { type: 'mrope' } }, /no rotation that is known here.*"mrope"/],
  ['llama', { rope_scaling: { type: 'linear' } }, /rope_scaling: .*needs a factor/],
  [
    'llama',
    { rope_parameters: { rope_type: 'yarn', factor: 2, partial_rotary_factor: 0.5 } },
    /partial_rotary_factor/,
  ],
  ['llama', { partial_rotary_factor: 0.5 }, /partial_rotary_factor/],
  ['llama', { num_local_experts: 8 }, /num_local_experts belongs to a mixture of experts/],
  ['llama', { kv_lora_rank: 512 }, /kv_lora_rank belongs to multi-head latent attention/],
  ['llama', { scale_emb: 12 }, /scale_emb belongs to a model that scales/],
  ['llama', { num_key_value_head: 4 }, /unknown key.*num_key_value_heads/],
  ['mistral', { attention_bias: true }, /attention_bias/],
  ['mistral', { layer_types: ['full_attention'] }, /layer_types/],
  ['mistral', { num_attention_heads: 4 }, /must be a multiple of num_key_value_heads \(8\)/],
  ['qwen2', { num_key_value_heads: 8, attention_bias: true }, /attention_bias: expected null/],
  [
    'qwen2',
    { num_key_value_heads: 8, layer_types: ['full_attention'] },
    /names 1 layers, num_hidden_layers is 3/,
  ],
  [
    'qwen3',
    { num_key_value_heads: 8, layer_types: Array.from({ length: 3 }, () => 'sliding_attention') },
    /needs "use_sliding_window": true/,
  ],
  [
    'qwen2',
    { num_key_value_heads: 8, use_sliding_window: true, max_window_layers: null },
    /need max_window_layers or layer_types/,
  ],
  ['qwen3', { num_key_value_heads: 8, num_experts: 128 }, /num_experts belongs to a mixture of experts/],
  ['qwen3', { num_key_value_heads: 8, mlp_bias: true }, /mlp_bias/],
  ['telechat3', {}, /head_dim \(128 where the key is absent\) must be .* \(8\)/],
  ['telechat3', { head_dim: 16 }, /head_dim: .* must be hidden_size \/ num_attention_heads \(8\)/],
  [
    'telechat3',
    { head_dim: 8, embedding_size: 16 },
    /embedding_size: an embedding of another width .* as in TeleChat3-1\.8B/,
  ],
  ['telechat3', { head_dim: 8, share_attention: true }, /share_attention: .* that several layers share/],
  ['telechat3', { head_dim: 8, share_ffn: true }, /share_ffn: .* that several layers share/],
  ['telechat3', { head_dim: 8, sliding_window: 64 }, /sliding_window/],
  ['telechat3', { head_dim: 8, kv_lora_rank: 512 }, /kv_lora_rank belongs to multi-head latent attention/],
  ['telechat3', { head_dim: 8, n_routed_experts: 192 }, /n_routed_experts belongs to a mixture of experts/],
  ['telechat3', { head_dim: 8, mlp_biass: true }, /unknown key.*mlp_bias/],
  ['xverse', { num_experts: 64 }, /num_experts belongs to a mixture of experts/],
  ['xverse', { moe_top_k: 6 }, /moe_top_k belongs to a mixture of experts/],
  ['xverse', { num_shared_experts: 2 }, /num_shared_experts belongs to a mixture of experts/],
])('%s %j is refused', (model_type, keys, message) => {
  expect(() => parse({ ...sizes, model_type, ...keys })).toThrow(message);
});

test.each([
  ['mixtral', /nearest to "mixtral" is mistral; what differs: a mixture of experts/],
  ['qwen2_moe', /is qwen3-moe; what differs: a shared expert/],
  ['xverse_moe', /nearest to "xverse_moe" is xverse; what differs: a mixture of experts/],
  ['phi3', /is llama; what differs: fused q, k, v/],
  ['toString', /known: spark, .*qwen3, telechat3, qwen3-moe \(by model_type[^)]*\)\.$/],
])('model_type %s is refused', (model_type, message) => {
  expect(() => parse({ ...sizes, model_type })).toThrow(message);
});

test('a tied model has one table; the names of every parameter are published ones', () => {
  const { names, createModel } = loadArchitecture(`${goldenFolder}qwen2/config.json`);
  const paths = createModel()
    .namedParameters()
    .map(([own]) => names.toPublished(own));
  expect(paths).not.toContain('lm_head.weight');
  expect(paths).toContain('model.layers.1.self_attn.k_proj.bias');
  expect(names.fromPublished('model.layers.1.self_attn.rotary_emb.inv_freq')).toBe('skip');
  expect(names.fromPublished('model.layers.1.self_attn.o_proj.bias')).toBeUndefined();
});
