/** The config of Hugging Face that the keys and tensors of a foreign GGUF mean. */
import { type GgufModel, showValue } from '../../formats/index.js';
import { GgufKeys } from './gguf-keys.js';
import { readRopeScaling } from './read-rope-scaling.js';
import { readTokenRoles } from './read-token-roles.js';

type Config = Record<string, unknown>;

interface ArchitectureRules {
  /** Its class in transformers. */
  readonly className: string;
  /** All of its layers have experts and no MLP. Default false. */
  readonly hasExperts?: boolean;
  /** Default: the architecture's name. */
  readonly modelType?: string;
  /** Keys of this architecture alone. */
  readonly more?: (keys: GgufKeys, tensors: GgufModel['tensors']) => Config;
}

const isBiased = (tensors: GgufModel['tensors'], name: string): boolean => tensors.has(`blk.0.${name}.bias`);

/** By general.architecture; a window makes a Mistral of a Llama. */
const ARCHITECTURES: ReadonlyMap<string, ArchitectureRules> = new Map<string, ArchitectureRules>([
  [
    'llama',
    {
      className: 'LlamaForCausalLM',
      more: (_keys: GgufKeys, tensors: GgufModel['tensors']): Config => ({
        attention_bias: isBiased(tensors, 'attn_q'),
        mlp_bias: isBiased(tensors, 'ffn_gate'),
      }),
    },
  ],
  ['qwen2', { className: 'Qwen2ForCausalLM', more: (): Config => ({ use_sliding_window: false }) }],
  [
    'qwen3',
    {
      className: 'Qwen3ForCausalLM',
      more: (_keys: GgufKeys, tensors: GgufModel['tensors']): Config => ({
        attention_bias: isBiased(tensors, 'attn_q'),
        use_sliding_window: false,
      }),
    },
  ],
  [
    'qwen3moe',
    {
      className: 'Qwen3MoeForCausalLM',
      modelType: 'qwen3_moe',
      hasExperts: true,
      more: (keys: GgufKeys): Config => ({ ...readExperts(keys, 'qwen3moe'), use_sliding_window: false }),
    },
  ],
  ['xverse', { className: 'XverseForCausalLM' }],
]);

/** Keys behind the architecture's name that mean nothing at this value, the only one that is taken. */
const ONE_VALUE_ONLY: readonly (readonly [key: string, value: number | boolean])[] = [
  ['expert_count', 0],
  ['expert_used_count', 0],
  ['use_parallel_residual', false],
  ['attention.causal', true],
  ['attention.clamp_kqv', 0],
  ['attention.max_alibi_bias', 0],
  ['logit_scale', 1],
  ['residual_scale', 1],
  ['embedding_scale', 1],
];

/** Notes about how a file was made. */
const WITHOUT_MEANING: ReadonlySet<string> = new Set(['tensor_data_layout', 'rope.scaling.finetuned']);

/**
 * @throws InputError for an architecture that no family here is, and for keys that would make other numbers, by name
 */
export function readGgufConfig(model: GgufModel): Config {
  const keys = new GgufKeys(model);
  const kind = keys.text('general.type') ?? 'model';
  if (kind !== 'model') keys.fail(`general.type is ${showValue(kind)}; only whole models are read here.`);
  const architecture = keys.text('general.architecture') ?? keys.fail('general.architecture is missing.');
  const rules = ARCHITECTURES.get(architecture);
  if (rules === undefined)
    return keys.fail(
      `general.architecture is ${showValue(architecture)}, a model that is not read here; readable are ` +
        `${[...ARCHITECTURES.keys()].join(', ')}.`,
    );
  const { tensors } = model;
  const sizes = readSizes(keys, architecture, tensors);
  const window = keys.sameForAll(`${architecture}.attention.sliding_window`) ?? 0;
  if (window > 0 && architecture !== 'llama')
    keys.fail(`${architecture}.attention.sliding_window is ${window}; only 0, attention to all tokens.`);
  const isMistral = window > 0 && architecture === 'llama';
  const config: Config = {
    architectures: [isMistral ? 'MistralForCausalLM' : rules.className],
    model_type: isMistral ? 'mistral' : (rules.modelType ?? architecture),
    hidden_act: 'silu',
    ...sizes,
    tie_word_embeddings: !tensors.has('output.weight'),
    ...readRopeScaling(keys, architecture, tensors, { headDim: sizes.head_dim }),
    ...readTokenRoles(keys, sizes.vocab_size),
    ...(isMistral ? { sliding_window: window } : rules.more?.(keys, tensors)),
  };
  refuseUnread(keys, architecture);
  return config;
}

/** llama.cpp has them in every layer, their weights adding up to 1. */
function readExperts(keys: GgufKeys, architecture: string): Config {
  const required = (name: string): number => {
    const key = `${architecture}.${name}`;
    const value =
      keys.sameForAll(key) ?? keys.fail(`${key} is missing, without which nobody knows the model.`);
    return value > 0 ? value : keys.fail(`${key} is 0; it must be 1 at least.`);
  };
  for (const [name, only] of [
    ['expert_shared_count', 0],
    ['expert_shared_feed_forward_length', 0],
    ['leading_dense_block_count', 0],
    ['expert_weights_scale', 1],
    ['expert_weights_norm', true],
    ['expert_gating_func', SOFTMAX_GATING],
    ['interleave_moe_layer_step', 1],
    ['expert_group_count', 0],
    ['expert_group_used_count', 0],
  ] as const) {
    const key = `${architecture}.${name}`;
    if (!keys.has(key)) continue;
    const found = typeof only === 'boolean' ? keys.flag(key) : keys.real(key);
    // llama.cpp writes 0 for a scale that there is not.
    if (found === only || (name === 'expert_weights_scale' && found === 0)) continue;
    keys.fail(`${key} is ${found}; only ${only} is read here: it is another model.`);
  }
  return {
    num_experts: required('expert_count'),
    num_experts_per_tok: required('expert_used_count'),
    moe_intermediate_size: required('expert_feed_forward_length'),
    norm_topk_prob: true,
    decoder_sparse_step: 1,
    mlp_only_layers: [],
  };
}

/** Of an MLP that no layer has; a config must have some. */
const UNUSED_WIDTH = 1;

/** llama.cpp's number of it. */
const SOFTMAX_GATING = 1;

interface Sizes {
  readonly vocab_size: number;
  readonly head_dim: number;
  readonly [key: string]: number;
}

function readSizes(keys: GgufKeys, architecture: string, tensors: GgufModel['tensors']): Sizes {
  const required = (name: string, read: (key: string) => number | undefined): number => {
    const key = `${architecture}.${name}`;
    return read(key) ?? keys.fail(`${key} is missing, without which nobody knows the model.`);
  };
  const positive = (key: string): number | undefined => {
    const value = keys.sameForAll(key);
    if (value === 0) keys.fail(`${key} is 0; it must be 1 at least.`);
    return value;
  };
  const hidden = required('embedding_length', positive);
  const heads = required('attention.head_count', positive);
  const headDim = positive(`${architecture}.attention.key_length`) ?? hidden / heads;
  if (!Number.isInteger(headDim))
    keys.fail(
      `${architecture}.embedding_length (${hidden}) is no multiple of ${architecture}.attention.head_count (${heads}).`,
    );
  for (const name of ['attention.value_length', 'rope.dimension_count']) {
    const size = positive(`${architecture}.${name}`) ?? headDim;
    if (size !== headDim)
      keys.fail(`${architecture}.${name} is ${size}; only the size of a head (${headDim}) is read here.`);
  }
  return {
    vocab_size: readVocabularySize(keys, architecture, tensors),
    hidden_size: hidden,
    // Of a model that has experts in every layer, converters may leave it away, or write 0.
    intermediate_size:
      ARCHITECTURES.get(architecture)?.hasExperts === true
        ? keys.sameForAll(`${architecture}.feed_forward_length`) || UNUSED_WIDTH
        : required('feed_forward_length', positive),
    num_hidden_layers: required('block_count', positive),
    num_attention_heads: heads,
    num_key_value_heads: positive(`${architecture}.attention.head_count_kv`) ?? heads,
    head_dim: headDim,
    max_position_embeddings: required('context_length', positive),
    rms_norm_eps: required('attention.layer_norm_rms_epsilon', (key) => keys.real(key)),
  };
}

/** Rows of the embedding: the key is optional, and the tokens may be fewer. */
function readVocabularySize(keys: GgufKeys, architecture: string, tensors: GgufModel['tensors']): number {
  const embedding = tensors.get('token_embd.weight');
  const rows = embedding?.shape[0];
  if (rows === undefined) return keys.fail('tensor "token_embd.weight" is missing.');
  const key = `${architecture}.vocab_size`;
  const claimed = keys.count(key) ?? rows;
  if (claimed !== rows)
    keys.fail(`${key} is ${claimed}, but "token_embd.weight" has ${rows} rows; the file is damaged.`);
  return rows;
}

function refuseUnread(keys: GgufKeys, architecture: string): void {
  const prefix = `${architecture}.`;
  for (const [name, value] of ONE_VALUE_ONLY) {
    const key = prefix + name;
    if (!keys.has(key) || keys.wasRead(key)) continue;
    const found = typeof value === 'boolean' ? keys.flag(key) : keys.real(key);
    if (found !== value) keys.fail(`${key} is ${found}; only ${value} is read here: it is another model.`);
  }
  const unread = keys
    .unread()
    .filter((key) => key.startsWith(prefix) && !WITHOUT_MEANING.has(key.slice(prefix.length)));
  if (unread.length > 0)
    keys.fail(
      `${unread.length === 1 ? 'key' : 'keys'} ${unread.slice(0, 5).map(showValue).join(', ')}${unread.length > 5 ? ', …' : ''}: ` +
        'not known here; they may change the numbers, so that the model is not read without them.',
    );
}
