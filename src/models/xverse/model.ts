/**
 * XVERSE-13B (元象): the Llama layout. Pre-norm blocks with RMSNorm, rotary attention and a SwiGLU MLP, no biases.
 *
 * Shapes: B batch, T new tokens, S tokens to attend to, D hidden, H heads, E head_dim, F intermediate, V vocabulary.
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
import { dynamicNtkBase } from '../ntk.js';
import { checkedRotation, type XverseConfig, xverseShape } from './config.js';
import type { XverseRotation } from './rotation.js';

class XverseAttention extends Module {
  readonly qProj: Linear;
  readonly kProj: Linear;
  readonly vProj: Linear;
  readonly oProj: Linear;
  readonly headDim: number;

  constructor({ hiddenSize, numHeads, numKvHeads, headDim }: ModelShape) {
    super();
    this.headDim = headDim;
    this.qProj = new DenseLinear(hiddenSize, numHeads * headDim);
    this.kProj = new DenseLinear(hiddenSize, numKvHeads * headDim);
    this.vProj = new DenseLinear(hiddenSize, numKvHeads * headDim);
    this.oProj = new DenseLinear(numHeads * headDim, hiddenSize);
  }

  forward(x: Tensor, context: ForwardContext, layer: number): Tensor {
    const [batch = 0, length = 0] = x.shape;
    const heads = (projected: Tensor): Tensor =>
      projected.view([batch, length, -1, this.headDim]).transpose(1, 2);
    const q = applyRotary(heads(this.qProj.forward(x)), context.rotary); // [B, H, T, E]
    const k = applyRotary(heads(this.kProj.forward(x)), context.rotary);
    const v = heads(this.vProj.forward(x));
    const mixed = context.attend(layer, q, k, v); // [B, H, T, E]
    return this.oProj.forward(mixed.transpose(1, 2).reshape([batch, length, -1]));
  }
}

class XverseMlp extends Module {
  readonly gateProj: Linear;
  readonly upProj: Linear;
  readonly downProj: Linear;

  constructor({ hiddenSize, intermediateSize }: ModelShape) {
    super();
    this.gateProj = new DenseLinear(hiddenSize, intermediateSize);
    this.upProj = new DenseLinear(hiddenSize, intermediateSize);
    this.downProj = new DenseLinear(intermediateSize, hiddenSize);
  }

  forward(x: Tensor): Tensor {
    const inner = gatedActivation(this.gateProj.forward(x), this.upProj.forward(x), 'silu'); // [B, T, F]
    return this.downProj.forward(inner);
  }
}

const XVERSE_LINEARS: BlockLinears = {
  attentionIn: ['attention.qProj', 'attention.kProj', 'attention.vProj'],
  attentionOut: 'attention.oProj',
  mlpIn: ['mlp.gateProj', 'mlp.upProj'],
  mlpOut: 'mlp.downProj',
};

class XverseBlock extends Module implements Block {
  readonly inputNorm: RmsNorm;
  readonly attention: XverseAttention;
  readonly postAttentionNorm: RmsNorm;
  readonly mlp: XverseMlp;
  readonly linears = XVERSE_LINEARS;

  constructor(config: XverseConfig, shape: ModelShape) {
    super();
    this.inputNorm = new RmsNorm(config.hidden_size, config.rms_norm_eps, 'after-weight');
    this.attention = new XverseAttention(shape);
    this.postAttentionNorm = new RmsNorm(config.hidden_size, config.rms_norm_eps, 'after-weight');
    this.mlp = new XverseMlp(shape);
  }

  forward(hidden: Tensor, context: ForwardContext, layer: number): Tensor {
    const attended = hidden.add(this.attention.forward(this.inputNorm.forward(hidden), context, layer));
    return attended.add(this.mlp.forward(this.postAttentionNorm.forward(attended)));
  }
}

export class XverseModel extends CausalLm {
  readonly embedTokens: Embedding;
  readonly layers: readonly XverseBlock[];
  readonly finalNorm: RmsNorm;
  readonly lmHead: Linear | undefined; // undefined: tied to embedTokens
  readonly ends: ModelEnds;
  readonly #rotation: XverseRotation;

  constructor(config: XverseConfig) {
    super(xverseShape(config));
    this.#rotation = checkedRotation(config);
    this.embedTokens = new Embedding(config.vocab_size, config.hidden_size);
    this.layers = Array.from({ length: config.num_hidden_layers }, () => new XverseBlock(config, this.shape));
    this.finalNorm = new RmsNorm(config.hidden_size, config.rms_norm_eps, 'after-weight');
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

  /** As TeleChat's: cached keys keep the base of the step that brought them. */
  override rotaryParameters(length: number): RotaryParameters {
    const { base, dynamic } = this.#rotation;
    return { base: dynamic === undefined ? base : dynamicNtkBase(base, this.shape.headDim, length, dynamic) };
  }
}
