/**
 * iFlytekSpark-13B (星火): pre-norm blocks with LayerNorm, rotary attention over a sliding window, a gated GELU MLP,
 * biases everywhere, logits by the embedding table.
 *
 * Shapes: B batch, T new tokens, D hidden, H heads, E head_dim, F intermediate (half of ffn_hidden_size),
 * V vocabulary.
 */
import { applyRotary, Embedding, gatedActivation, LayerNorm, Linear, Module } from '../../nn/index.js';
import type { Tensor } from '../../tensor/index.js';
import { type Block, CausalLm, type ForwardContext, type RotaryRule } from '../causal-lm.js';
import type { SparkConfig } from './config.js';

/** Fixed in the published code; no key of the config says it. */
const ROPE_BASE = 1_000_000;

class SparkAttention extends Module {
  readonly qProj: Linear;
  readonly kProj: Linear;
  readonly vProj: Linear;
  readonly outProj: Linear;
  readonly numHeads: number;

  constructor({ hidden_size: hiddenSize, num_heads: numHeads }: SparkConfig) {
    super();
    this.numHeads = numHeads;
    this.qProj = new Linear(hiddenSize, hiddenSize, { bias: true });
    this.kProj = new Linear(hiddenSize, hiddenSize, { bias: true });
    this.vProj = new Linear(hiddenSize, hiddenSize, { bias: true });
    this.outProj = new Linear(hiddenSize, hiddenSize, { bias: true });
  }

  forward(x: Tensor, context: ForwardContext, layer: number): Tensor {
    const [batch = 0, length = 0, hiddenSize = 0] = x.shape;
    const heads = (projected: Tensor): Tensor =>
      projected.view([batch, length, this.numHeads, -1]).transpose(1, 2);
    const q = applyRotary(heads(this.qProj.forward(x)), context.rotary); // [B, H, T, E]
    const k = applyRotary(heads(this.kProj.forward(x)), context.rotary);
    const v = heads(this.vProj.forward(x));
    const mixed = context.attend(layer, q, k, v); // [B, H, T, E]
    return this.outProj.forward(mixed.transpose(1, 2).reshape([batch, length, hiddenSize]));
  }
}

class SparkMlp extends Module {
  readonly fc0: Linear; // gate
  readonly fc1: Linear; // up
  readonly fc2: Linear; // down

  constructor({ hidden_size: hiddenSize, ffn_hidden_size: gateAndUp }: SparkConfig) {
    super();
    this.fc0 = new Linear(hiddenSize, gateAndUp / 2, { bias: true });
    this.fc1 = new Linear(hiddenSize, gateAndUp / 2, { bias: true });
    this.fc2 = new Linear(gateAndUp / 2, hiddenSize, { bias: true });
  }

  forward(x: Tensor): Tensor {
    return this.fc2.forward(gatedActivation(this.fc0.forward(x), this.fc1.forward(x), 'gelu_tanh')); // F inside
  }
}

class SparkBlock extends Module implements Block {
  readonly inputNorm: LayerNorm;
  readonly attention: SparkAttention;
  readonly postAttentionNorm: LayerNorm;
  readonly mlp: SparkMlp;

  constructor(config: SparkConfig) {
    super();
    this.inputNorm = new LayerNorm(config.hidden_size, config.layernorm_epsilon);
    this.attention = new SparkAttention(config);
    this.postAttentionNorm = new LayerNorm(config.hidden_size, config.layernorm_epsilon);
    this.mlp = new SparkMlp(config);
  }

  forward(hidden: Tensor, context: ForwardContext, layer: number): Tensor {
    const attended = hidden.add(this.attention.forward(this.inputNorm.forward(hidden), context, layer));
    return attended.add(this.mlp.forward(this.postAttentionNorm.forward(attended)));
  }
}

export class SparkModel extends CausalLm {
  readonly embedTokens: Embedding;
  readonly layers: readonly SparkBlock[];
  readonly finalNorm: LayerNorm;
  override readonly window: number;
  /** The published prediction masks every padding token; training does not. */
  override readonly unseenTokenId: number | undefined;
  readonly #config: SparkConfig;

  constructor(config: SparkConfig) {
    super();
    this.#config = config;
    this.window = config.sparse_local_size;
    this.unseenTokenId = config.pad_token_id;
    this.embedTokens = new Embedding(config.vocab_size, config.hidden_size);
    this.layers = Array.from({ length: config.num_layers }, () => new SparkBlock(config));
    this.finalNorm = new LayerNorm(config.hidden_size, config.layernorm_epsilon);
  }

  get numHeads(): number {
    return this.#config.num_heads;
  }

  get headDim(): number {
    return this.#config.hidden_size / this.#config.num_heads;
  }

  get vocabSize(): number {
    return this.#config.vocab_size;
  }

  get maxPositions(): number {
    return this.#config.seq_length;
  }

  embed(inputIds: Tensor): Tensor {
    return this.embedTokens.forward(inputIds).to(this.computeDType); // [B, T, D]
  }

  head(hidden: Tensor): Tensor {
    return this.embedTokens.project(this.finalNorm.forward(hidden)); // [B, T, V]
  }

  override rotaryRule(): RotaryRule {
    return { base: ROPE_BASE };
  }
}
