/** Models that are not read here, by their model_type: the family that is nearest, and what sets them apart. */
import { configValue, type FamilyName } from './family.js';

interface ForeignModel {
  readonly nearest: FamilyName;
  readonly difference: string;
}

const EXPERTS = 'a mixture of experts in the place of the MLP';
const NORMS_AROUND = 'norms behind attention and MLP, and other activations';

const FOREIGN: Readonly<Record<string, ForeignModel>> = {
  xverse_moe: { nearest: 'xverse', difference: EXPERTS },
  mixtral: { nearest: 'mistral', difference: EXPERTS },
  qwen: { nearest: 'qwen2', difference: 'fused q, k, v and other names of keys and tensors' },
  qwen2_moe: {
    nearest: 'qwen3-moe',
    difference: 'a shared expert beside the others, and biases of attention',
  },
  qwen3_next: { nearest: 'qwen3-moe', difference: 'linear attention in most layers, and a shared expert' },
  qwen2_vl: { nearest: 'qwen2', difference: 'pictures, and positions of three axes' },
  qwen2_5_vl: { nearest: 'qwen2', difference: 'pictures, and positions of three axes' },
  qwen3_vl: { nearest: 'qwen3', difference: 'pictures, and positions of three axes' },
  phi3: { nearest: 'llama', difference: 'fused q, k, v and gate, up, and longrope positions' },
  internlm2: { nearest: 'llama', difference: 'one matrix for q, k and v and other names of tensors' },
  baichuan: { nearest: 'llama', difference: 'one matrix for q, k and v (the 13B has ALiBi positions)' },
  deepseek_v2: { nearest: 'llama', difference: `multi-head latent attention and ${EXPERTS}` },
  deepseek_v3: { nearest: 'llama', difference: `multi-head latent attention and ${EXPERTS}` },
  minicpm: { nearest: 'llama', difference: 'scaled embeddings, residuals and logits' },
  minicpm3: { nearest: 'llama', difference: 'multi-head latent attention' },
  granite: { nearest: 'llama', difference: 'multipliers of embeddings, residuals, attention and logits' },
  smollm3: { nearest: 'llama', difference: 'layers without positions' },
  llama4: { nearest: 'llama', difference: `${EXPERTS}, and layers without positions` },
  llama4_text: { nearest: 'llama', difference: `${EXPERTS}, and layers without positions` },
  mllama: { nearest: 'llama', difference: 'pictures and cross-attention' },
  mistral3: { nearest: 'mistral', difference: 'pictures; the text part has a config of its own' },
  ministral: { nearest: 'mistral', difference: 'layer_types' },
  gemma: { nearest: 'llama', difference: 'scaled embeddings, norms that add one to their weight, and GELU' },
  gemma2: { nearest: 'llama', difference: `${NORMS_AROUND}, and capped logits` },
  gemma3: { nearest: 'llama', difference: `${NORMS_AROUND}, and pictures` },
  gemma3_text: { nearest: 'llama', difference: NORMS_AROUND },
  olmo2: { nearest: 'llama', difference: 'norms behind attention and MLP' },
  cohere: { nearest: 'llama', difference: 'LayerNorm, attention beside the MLP, and scaled logits' },
  starcoder2: { nearest: 'llama', difference: 'LayerNorm and an MLP without a gate' },
  stablelm: { nearest: 'llama', difference: 'LayerNorm, and positions on a part of each head' },
  chatglm: {
    nearest: 'llama',
    difference: 'fused matrices, and positions on half of each head, pair by pair',
  },
  glm4: {
    nearest: 'llama',
    difference: 'norms behind attention and MLP, and positions on half of each head',
  },
  gpt_neox: {
    nearest: 'llama',
    difference: 'LayerNorm, attention beside the MLP, and an MLP without a gate',
  },
  gpt2: { nearest: 'llama', difference: 'learned positions, LayerNorm, and an MLP without a gate' },
  falcon: { nearest: 'llama', difference: 'LayerNorm, attention beside the MLP, and an MLP without a gate' },
};

/** A sentence for a message; empty for a model_type that nobody has heard of. */
export function nearestFamily(config: unknown): string {
  const type = configValue(config, 'model_type');
  if (typeof type !== 'string') return '';
  const foreign = Object.hasOwn(FOREIGN, type) ? FOREIGN[type] : undefined;
  if (foreign === undefined) return '';
  return ` The nearest to "${type}" is ${foreign.nearest}; what differs: ${foreign.difference}.`;
}
