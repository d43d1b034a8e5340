/**
 * TeleChat-1B, 7B, 12B and TeleChat2 (星辰): pre-norm blocks with RMSNorm, rotary attention with one matrix for keys and values,
 * a SwiGLU MLP; biases on the two output projections only.
 *
 * Shapes: B batch, T new tokens, D hidden, H heads, K heads of keys and values, E head_dim, F intermediate, V vocabulary.
 */
import {
  applyRotary,
  DenseLinear,
  Embedding,
  gatedActivation,
  type Linear,
  Module,
  RmsNorm,
} from '../../nn/index.js';
import type { Tensor } from '../../tensor/index.js';
import {
  type Block,
  type BlockLinears,
  CausalLm,
  type ForwardContext,
  type ModelEnds,
  type RotaryParameters,
} from '../causal-lm.js';
import type { ModelShape } from '../model-shape.js';
import { ntkAlpha } from '../ntk.js';
import { type TelechatConfig, telechatShape } from './config.js';

const ROPE_BASE = 10_000;
/** Rotary base of a sequence of `length` tokens, at least those of training. */
export function telechatRopeBase(config: TelechatConfig, length: number): number {
  const { headDim } = telechatShape(config);
  return ROPE_BASE * ntkAlpha(length, config.base_seqlen) ** (headDim / (headDim - 2));
}

class TelechatAttention extends Module {
  readonly query: Linear;
  readonly keyValue: Linear; // out: per head of keys and values [k | v]
  readonly dense: Linear;
  readonly headDim: number;

  constructor({ hiddenSize, numHeads, numKvHeads, headDim }: ModelShape) {
    super();
    this.headDim = headDim;
    this.query = new DenseLinear(hiddenSize, numHeads * headDim);
    this.keyValue = new DenseLinear(hiddenSize, 2 * numKvHeads * headDim);
    this.dense = new DenseLinear(numHeads * headDim, hiddenSize, { bias: true });
  }

  forward(x: Tensor, context: ForwardContext, layer: number): Tensor {
    const [batch = 0, length = 0] = x.shape;
    const query = this.query.forward(x).view([batch, length, -1, this.headDim]).transpose(1, 2);
    const keyValue = this.keyValue.forward(x).view([batch, length, -1, 2, this.headDim]); // [B, T, K, 2, E]
    const q = applyRotary(query, context.rotary); // [B, H, T, E]
    const k = applyRotary(keyValue.select(3, 0).transpose(1, 2), context.rotary);
    const v = keyValue.select(3, 1).transpose(1, 2);
    const mixed = context.attend(layer, q, k, v); // [B, H, T, E]
    return this.dense.forward(mixed.transpose(1, 2).reshape([batch, length, -1]));
  }
}

class TelechatMlp extends Module {
  readonly gateProj: Linear;
  readonly upProj: Linear;
  readonly downProj: Linear;

  constructor({ hiddenSize, intermediateSize }: ModelShape) {
    super();
    this.gateProj = new DenseLinear(hiddenSize, intermediateSize);
    this.upProj = new DenseLinear(hiddenSize, intermediateSize);
    this.downProj = new DenseLinear(intermediateSize, hiddenSize, { bias: true });
  }

  forward(x: Tensor): Tensor {
    const inner = gatedActivation(this.gateProj.forward(x), this.upProj.forward(x), 'silu'); // [B, T, F]
    return this.downProj.forward(inner);
  }
}

const TELECHAT_LINEARS: BlockLinears = {
  attentionIn: ['attention.query', 'attention.keyValue'],
  attentionOut: 'attention.dense',
  mlpIn: ['mlp.gateProj', 'mlp.upProj'],
  mlpOut: 'mlp.downProj',
  alternatesKeysAndValues: true,
};

class TelechatBlock extends Module implements Block {
  readonly inputNorm: RmsNorm;
  readonly attention: TelechatAttention;
  readonly postAttentionNorm: RmsNorm;
  readonly mlp: TelechatMlp;
  readonly linears = TELECHAT_LINEARS;

  constructor(config: TelechatConfig, shape: ModelShape) {
    super();
    this.inputNorm = new RmsNorm(config.hidden_size, config.layer_norm_epsilon, 'before-weight');
    this.attention = new TelechatAttention(shape);
    this.postAttentionNorm = new RmsNorm(config.hidden_size, config.layer_norm_epsilon, 'before-weight');
    this.mlp = new TelechatMlp(shape);
  }

  forward(hidden: Tensor, context: ForwardContext, layer: number): Tensor {
    const attended = hidden.add(this.attention.forward(this.inputNorm.forward(hidden), context, layer));
    return attended.add(this.mlp.forward(this.postAttentionNorm.forward(attended)));
  }
}

export class TelechatModel extends CausalLm {
  readonly embedTokens: Embedding;
  readonly layers: readonly TelechatBlock[];
  readonly finalNorm: RmsNorm;
  readonly lmHead: Linear | undefined; // undefined: tied to embedTokens
  readonly ends: ModelEnds;
  readonly #config: TelechatConfig;

  constructor(config: TelechatConfig) {
    super(telechatShape(config));
    this.#config = config;
    this.embedTokens = new Embedding(config.vocab_size, config.hidden_size);
    this.layers = Array.from({ length: config.n_layer }, () => new TelechatBlock(config, this.shape));
    this.finalNorm = new RmsNorm(config.hidden_size, config.layer_norm_epsilon, 'before-weight');
    this.lmHead = config.tie_word_embeddings
      ? undefined
      : new DenseLinear(config.hidden_size, config.vocab_size);
    this.ends = {
      embedding: ['embedTokens'],
      head: ['finalNorm', this.lmHead === undefined ? 'embedTokens' : 'lmHead'],
    };
  }

  embed(inputIds: Tensor): Tensor {
    return this.embedTokens.forward(inputIds).to(this.computeDType); // [B, T, D]
  }

  head(hidden: Tensor): Tensor {
    const normed = this.finalNorm.forward(hidden);
    return this.lmHead?.forward(normed) ?? this.embedTokens.project(normed); // [B, T, V]
  }

  /**
   * Base and scale of the moment: cached keys keep those of the step that brought them. With L the total length,
   * base * alpha(L)^(E / (E - 2)), and cos and sin times 0.1 ln(L / training_seqlen) + 1 once L exceeds it.
   */
  override rotaryParameters(length: number): RotaryParameters {
    const { training_seqlen: trainingLength } = this.#config;
    const known = Math.max(length, trainingLength);
    return {
      base: telechatRopeBase(this.#config, known),
      scale: 0.1 * Math.log(known / trainingLength) + 1,
    };
  }
}
