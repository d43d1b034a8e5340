/**
 * XVERSE-13B (元象): the Llama layout. Pre-norm blocks with RMSNorm, rotary attention and a SwiGLU MLP, no biases.
 *
 * Shapes: B batch, T new tokens, S tokens to attend to, D hidden, H heads, E head_dim, F intermediate, V vocabulary.
 */
import { applyRotary, Embedding, gatedActivation, Linear, Module, RmsNorm } from '../../nn/index.js';
import type { Tensor } from '../../tensor/index.js';
import { type Block, CausalLm, type ForwardContext, type RotaryRule } from '../causal-lm.js';
import type { XverseConfig } from './config.js';

class XverseAttention extends Module {
  readonly qProj: Linear;
  readonly kProj: Linear;
  readonly vProj: Linear;
  readonly oProj: Linear;
  readonly numHeads: number;

  constructor({ hidden_size: hiddenSize, num_attention_heads: numHeads }: XverseConfig) {
    super();
    this.numHeads = numHeads;
    this.qProj = new Linear(hiddenSize, hiddenSize);
    this.kProj = new Linear(hiddenSize, hiddenSize);
    this.vProj = new Linear(hiddenSize, hiddenSize);
    this.oProj = new Linear(hiddenSize, hiddenSize);
  }

  forward(x: Tensor, context: ForwardContext, layer: number): Tensor {
    const [batch = 0, length = 0, hiddenSize = 0] = x.shape;
    const heads = (projected: Tensor): Tensor =>
      projected.view([batch, length, this.numHeads, -1]).transpose(1, 2);
    const q = applyRotary(heads(this.qProj.forward(x)), context.rotary); // [B, H, T, E]
    const k = applyRotary(heads(this.kProj.forward(x)), context.rotary);
    const v = heads(this.vProj.forward(x));
    const mixed = context.attend(layer, q, k, v); // [B, H, T, E]
    return this.oProj.forward(mixed.transpose(1, 2).reshape([batch, length, hiddenSize]));
  }
}

class XverseMlp extends Module {
  readonly gateProj: Linear;
  readonly upProj: Linear;
  readonly downProj: Linear;

  constructor({ hidden_size: hiddenSize, intermediate_size: intermediateSize }: XverseConfig) {
    super();
    this.gateProj = new Linear(hiddenSize, intermediateSize);
    this.upProj = new Linear(hiddenSize, intermediateSize);
    this.downProj = new Linear(intermediateSize, hiddenSize);
  }

  forward(x: Tensor): Tensor {
    const inner = gatedActivation(this.gateProj.forward(x), this.upProj.forward(x), 'silu'); // [B, T, F]
    return this.downProj.forward(inner);
  }
}

class XverseBlock extends Module implements Block {
  readonly inputNorm: RmsNorm;
  readonly attention: XverseAttention;
  readonly postAttentionNorm: RmsNorm;
  readonly mlp: XverseMlp;

  constructor(config: XverseConfig) {
    super();
    this.inputNorm = new RmsNorm(config.hidden_size, config.rms_norm_eps, 'after-weight');
    this.attention = new XverseAttention(config);
    this.postAttentionNorm = new RmsNorm(config.hidden_size, config.rms_norm_eps, 'after-weight');
    this.mlp = new XverseMlp(config);
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
  readonly #config: XverseConfig;

  constructor(config: XverseConfig) {
    super();
    this.#config = config;
    this.embedTokens = new Embedding(config.vocab_size, config.hidden_size);
    this.layers = Array.from({ length: config.num_hidden_layers }, () => new XverseBlock(config));
    this.finalNorm = new RmsNorm(config.hidden_size, config.rms_norm_eps, 'after-weight');
    this.lmHead = config.tie_word_embeddings ? undefined : new Linear(config.hidden_size, config.vocab_size);
  }

  get numHeads(): number {
    return this.#config.num_attention_heads;
  }

  get headDim(): number {
    return this.#config.hidden_size / this.#config.num_attention_heads;
  }

  get vocabSize(): number {
    return this.#config.vocab_size;
  }

  get maxPositions(): number {
    return this.#config.max_position_embeddings;
  }

  embed(inputIds: Tensor): Tensor {
    return this.embedTokens.forward(inputIds).to(this.computeDType); // [B, T, D]
  }

  head(hidden: Tensor): Tensor {
    const normed = this.finalNorm.forward(hidden);
    return this.lmHead?.forward(normed) ?? this.embedTokens.project(normed); // [B, T, V]
  }

  override rotaryRule(): RotaryRule {
    return { base: this.#config.rope_theta };
  }
}
