import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { InputError } from '../../errors/index.js';
import { type GgufTensorInput, type GgufValue, openGgufModel, writeGgufFile } from '../../formats/index.js';
import { parseArchitecture } from '../registry.js';
import { readGgufConfig } from './read-config.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-gguf-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

const text = (value: string): GgufValue => ({ type: 'string', value });
const count = (value: number): GgufValue => ({ type: 'uint32', value });
const real = (value: number): GgufValue => ({ type: 'float32', value });
const perLayer = (...value: number[]): GgufValue => ({ type: 'array', itemType: 'int32', value });

type Changes = Readonly<Record<string, GgufValue | undefined>>;
type Tensors = Readonly<Record<string, readonly number[]>>;

/** Keys after the architecture's name, or whole where they have another. */
function configOf(architecture: string, changes: Changes = {}, more: Tensors = {}): Record<string, unknown> {
  const keys: Record<string, GgufValue | undefined> = {
    'general.architecture': text(architecture),
    'general.name': text('some'),
    block_count: count(2),
    context_length: count(512),
    embedding_length: count(16),
    feed_forward_length: count(24),
    'attention.head_count': count(4),
    'attention.layer_norm_rms_epsilon': real(Math.fround(1e-5)),
    ...changes,
  };
  const metadata = new Map<string, GgufValue>();
  for (const [key, value] of Object.entries(keys))
    if (value !== undefined)
      metadata.set(/^(general|tokenizer|quantize)\./.test(key) ? key : `${architecture}.${key}`, value);
  const tensors = Object.entries({ 'token_embd.weight': Array<number>(10 * 16).fill(0), ...more });
  const path = join(folder, 'config.gguf');
  writeGgufFile(
    path,
    metadata,
    tensors.map(
      ([name, values]): GgufTensorInput => ({
        name,
        dtype: 'float32',
        shape: name === 'token_embd.weight' ? [10, 16] : [values.length],
        bytes: () => new Uint8Array(Float32Array.from(values).buffer),
      }),
    ),
  );
  const config = readGgufConfig(openGgufModel(path));
  // Whatever is read must be one that the family takes.
  parseArchitecture(config, path);
  return config;
}

describe('what the keys mean', () => {
  test('sizes and their defaults', () => {
    expect(configOf('llama')).toEqual({
      architectures: ['LlamaForCausalLM'],
      model_type: 'llama',
      hidden_act: 'silu',
      vocab_size: 10,
      hidden_size: 16,
      intermediate_size: 24,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      num_key_value_heads: 4,
      head_dim: 4,
      max_position_embeddings: 512,
      rms_norm_eps: 1e-5,
      tie_word_embeddings: true,
      rope_theta: 10_000,
      rope_scaling: null,
      bos_token_id: null,
      eos_token_id: null,
      pad_token_id: null,
      attention_bias: false,
      mlp_bias: false,
    });
  });

  test('what the file says otherwise', () => {
    const changes = {
      'attention.head_count_kv': perLayer(2, 2),
      'attention.key_length': count(8),
      'attention.value_length': count(8),
      'rope.dimension_count': count(8),
      'rope.freq_base': real(500_000),
      vocab_size: count(10),
      expert_count: count(0),
      'tokenizer.ggml.bos_token_id': count(3),
      'tokenizer.ggml.eos_token_id': count(4),
      'tokenizer.ggml.eot_token_id': count(5),
      'tokenizer.ggml.padding_token_id': count(2 ** 32 - 1),
    };
    const tensors = { 'output.weight': [0], 'blk.0.attn_q.bias': [0], 'blk.0.ffn_gate.bias': [0] };
    expect(configOf('llama', changes, tensors)).toMatchObject({
      num_key_value_heads: 2,
      head_dim: 8,
      rope_theta: 500_000,
      tie_word_embeddings: false,
      attention_bias: true,
      mlp_bias: true,
      bos_token_id: 3,
      eos_token_id: [4, 5],
      pad_token_id: null,
    });
  });

  test.each([
    ['qwen2', 'Qwen2ForCausalLM', 'qwen2'],
    ['qwen3', 'Qwen3ForCausalLM', 'qwen3'],
    ['xverse', 'XverseForCausalLM', 'xverse'],
  ])('the architecture %s', (architecture, className, type) => {
    expect(configOf(architecture)).toMatchObject({
      architectures: [className],
      model_type: type,
      head_dim: 4,
    });
  });

  const experts = {
    expert_count: count(4),
    expert_used_count: count(2),
    expert_feed_forward_length: count(12),
  };

  test('experts of qwen3moe; the width of an MLP that no layer has may be absent', () => {
    const wanted = {
      model_type: 'qwen3_moe',
      num_experts: 4,
      num_experts_per_tok: 2,
      moe_intermediate_size: 12,
    };
    expect(configOf('qwen3moe', experts)).toMatchObject({ ...wanted, norm_topk_prob: true });
    expect(configOf('qwen3moe', { ...experts, feed_forward_length: undefined })).toMatchObject(wanted);
  });

  test.each<[string, Changes, RegExp]>([
    ['no number of experts', { expert_count: undefined }, /qwen3moe\.expert_count is missing/],
    ['no experts', { expert_count: count(0) }, /qwen3moe\.expert_count is 0/],
    [
      'more of a token than there are',
      { expert_used_count: count(5) },
      /num_experts_per_tok \(5\) must be at most/,
    ],
    ['a shared expert', { expert_shared_count: count(1) }, /qwen3moe\.expert_shared_count is 1; only 0/],
    [
      'weights that do not add up to 1',
      { expert_weights_norm: { type: 'bool', value: false } },
      /expert_weights_norm is false/,
    ],
    ['a sigmoid', { expert_gating_func: count(2) }, /expert_gating_func is 2; only 1/],
    ['what nobody knows', { expert_surprise: count(1) }, /expert_surprise.*not known here/],
  ])('qwen3moe, %s: refused', (_, changes, message) => {
    expect(() => configOf('qwen3moe', { ...experts, ...changes })).toThrow(message);
  });

  test('a dense architecture with experts is refused', () => {
    expect(() => configOf('qwen3', experts)).toThrow(/qwen3\.expert_count is 4; only 0/);
  });

  test('a window on every layer makes a Mistral of a Llama', () => {
    expect(configOf('llama', { 'attention.sliding_window': count(64) })).toMatchObject({
      model_type: 'mistral',
      sliding_window: 64,
    });
  });

  test('the end of a turn that only the template tells', () => {
    const tokens: GgufValue = {
      type: 'array',
      itemType: 'string',
      value: ['a', 'b', '<|eot_id|>', '<|im_end|>'],
    };
    const changes = { 'tokenizer.ggml.tokens': tokens, 'tokenizer.ggml.eos_token_id': count(1) };
    const template = text('{{ content }}<|im_end|>');
    expect(configOf('llama', changes).eos_token_id).toBe(1);
    expect(configOf('llama', { ...changes, 'tokenizer.chat_template': template }).eos_token_id).toEqual([
      1, 3,
    ]);
  });

  test.each<[string, Changes, object | null]>([
    ['none', { 'rope.scaling.type': text('none'), 'rope.scaling.factor': real(4) }, null],
    [
      'linear',
      { 'rope.scaling.type': text('linear'), 'rope.scaling.factor': real(4) },
      { rope_type: 'linear', factor: 4 },
    ],
    ['linear without a type', { 'rope.scaling.factor': real(2.5) }, { rope_type: 'linear', factor: 2.5 }],
    ['linear in old files', { 'rope.scale_linear': real(2) }, { rope_type: 'linear', factor: 2 }],
    [
      'yarn',
      {
        'rope.scaling.type': text('yarn'),
        'rope.scaling.factor': real(4),
        'rope.scaling.original_context_length': count(128),
        'rope.scaling.finetuned': { type: 'bool', value: true },
      },
      { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 128 },
    ],
    [
      'yarn with a factor of attention',
      {
        'rope.scaling.type': text('yarn'),
        'rope.scaling.factor': real(4),
        'rope.scaling.attn_factor': real(2),
      },
      { rope_type: 'yarn', factor: 4, attention_factor: 2 * (0.1 * Math.log(4) + 1) },
    ],
  ])('rotation: %s', (_what, changes, scaling) => {
    expect(configOf('llama', changes).rope_scaling).toEqual(scaling);
  });
});

describe('divisors of the frequencies', () => {
  const wide = { 'attention.head_count': count(2), 'rope.freq_base': real(10_000) };

  test('are kept to the last bit, and named where Llama 3 has them', () => {
    const divisors = [1, 1, 8, 8].map(Math.fround);
    expect(configOf('llama', wide, { 'rope_freqs.weight': divisors })).toMatchObject({
      rope_scaling: { rope_type: 'llama3', factor: 8 },
      rope_divisors: divisors,
    });
  });

  test('are taken as they are where they mean nothing else', () => {
    const divisors = [1, 3, 0.5, 2].map(Math.fround);
    const config = configOf('llama', wide, { 'rope_freqs.weight': divisors });
    expect(config).toMatchObject({ rope_scaling: { rope_type: 'divisors' }, rope_divisors: divisors });
    expect(configOf('llama', wide, { 'rope_freqs.weight': [1, 1, 1, 1] })).not.toHaveProperty(
      'rope_divisors',
    );
  });

  test('of a faulty form are refused', () => {
    const read =
      (values: number[], changes: Changes = {}) =>
      () =>
        configOf('llama', { ...wide, ...changes }, { 'rope_freqs.weight': values });
    expect(read([1, 2])).toThrow('it must be float32 [4]');
    expect(read([1, 2, 0, 4])).toThrow('has 0 at place 2');
    expect(read([1, 2, Number.NaN, 4])).toThrow('has NaN at place 2');
    expect(read([1, 1, 8, 8], { 'rope.scaling.factor': real(2) })).toThrow(
      'both llama.rope.scaling and the tensor',
    );
  });
});

test.each<[string, string, Changes, Tensors, string]>([
  [
    'an architecture',
    'gemma',
    {},
    {},
    'general.architecture is "gemma", a model that is not read here; readable are llama, qwen2',
  ],
  ['an adapter', 'llama', { 'general.type': text('adapter') }, {}, 'general.type is "adapter"'],
  ['experts', 'llama', { expert_count: count(8) }, {}, 'llama.expert_count is 8; only 0'],
  ['a key', 'llama', { 'attention.scale': real(2) }, {}, 'key "llama.attention.scale": not known here'],
  ['several keys', 'qwen2', { x: count(1), y: count(2) }, {}, 'keys "qwen2.x", "qwen2.y"'],
  [
    'layers of several sizes',
    'llama',
    { feed_forward_length: perLayer(24, 32) },
    {},
    'differs between layers (24, 32)',
  ],
  ['part of a head', 'llama', { 'rope.dimension_count': count(2) }, {}, 'rope.dimension_count is 2'],
  ['a window of Qwen', 'qwen2', { 'attention.sliding_window': count(8) }, {}, 'sliding_window is 8'],
  ['longrope', 'llama', { 'rope.scaling.type': text('longrope') }, {}, 'longrope is not'],
  [
    'factors of longrope',
    'llama',
    {},
    { 'rope_factors_long.weight': [1] },
    '"rope_factors_long.weight" belongs to the rotation longrope',
  ],
  ['a size that is missing', 'llama', { block_count: undefined }, {}, 'llama.block_count is missing'],
  ['a size of 0', 'llama', { block_count: count(0) }, {}, 'llama.block_count is 0'],
  [
    'a text for a size',
    'llama',
    { block_count: text('2') },
    {},
    'must be a whole number from 0, found string "2"',
  ],
  [
    'another vocabulary',
    'llama',
    { vocab_size: count(11) },
    {},
    'vocab_size is 11, but "token_embd.weight" has 10 rows',
  ],
  ['an id beyond it', 'llama', { 'tokenizer.ggml.bos_token_id': count(10) }, {}, 'bos_token_id is 10'],
])('%s is refused by name', (_what, architecture, changes, tensors, message) => {
  const read = () => configOf(architecture, changes, tensors);
  expect(read).toThrow(InputError);
  expect(read).toThrow(message);
});
