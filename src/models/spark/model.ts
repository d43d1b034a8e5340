/**
 * iFlytekSpark-13B (星火): pre-norm blocks with LayerNorm, rotary attention over a sliding window, a gated GELU MLP,
 * biases everywhere, logits by the embedding table.
 *
 * Shapes: B batch, T new tokens, D hidden, H heads, E head_dim, F intermediate (half of ffn_hidden_size),
 * V vocabulary.
 */
import {
  applyRotary,
  DenseLinear,
  Embedding,
  gatedActivation,
  LayerNorm,
  type Linear,
  Module,
} from '../../nn/index.js';
import type { Tensor } from '../../tensor/index.js';
import {
  type Block,
  type BlockLinears,
  CausalLm,
  type ForwardContext,
  type RotaryParameters,
} from '../causal-lm.js';
import type { ModelShape } from '../model-shape.js';
import { type SparkConfig, sparkShape } from './config.js';

/** Fixed in the published code; no key of the config says it. */
const ROPE_BASE = 1_000_000;

class SparkAttention extends Module {
  readonly qProj: Linear;
  readonly kProj: Linear;
  readonly vProj: Linear;
  readonly outProj: Linear;
  readonly headDim: number;

  constructor({ hiddenSize, numHeads, numKvHeads, headDim }: ModelShape) {
    super();
    this.headDim = headDim;
    this.qProj = new DenseLinear(hiddenSize, numHeads * headDim, { bias: true });
    this.kProj = new DenseLinear(hiddenSize, numKvHeads * headDim, { bias: true });
    this.vProj = new DenseLinear(hiddenSize, numKvHeads * headDim, { bias: true });
    this.outProj = new DenseLinear(numHeads * headDim, hiddenSize, { bias: true });
  }

  forward(x: Tensor, context: ForwardContext, layer: number): Tensor {
    const [batch = 0, length = 0] = x.shape;
    const heads = (projected: Tensor): Tensor =>
      projected.view([batch, length, -1, this.headDim]).transpose(1, 2);
    const q = applyRotary(heads(this.qProj.forward(x)), context.rotary); // [B, H, T, E]
    const k = applyRotary(heads(this.kProj.forward(x)), context.rotary);
    const v = heads(this.vProj.forward(x));
    const mixed = context.attend(layer, q, k, v); // [B, H, T, E]
    return this.outProj.forward(mixed.transpose(1, 2).reshape([batch, length, -1]));
  }
}

class SparkMlp extends Module {
  readonly fc0: Linear; // gate
  readonly fc1: Linear; // up
  readonly fc2: Linear; // down

  constructor({ hiddenSize, intermediateSize }: ModelShape) {
    super();
    this.fc0 = new DenseLinear(hiddenSize, intermediateSize, { bias: true });
    this.fc1 = new DenseLinear(hiddenSize, intermediateSize, { bias: true });
    this.fc2 = new DenseLinear(intermediateSize, hiddenSize, { bias: true });
  }

  forward(x: Tensor): Tensor {
    return this.fc2.forward(gatedActivation(this.fc0.forward(x), this.fc1.forward(x), 'gelu_tanh')); // F inside
  }
}

const SPARK_LINEARS: BlockLinears = {
  attentionIn: ['attention.qProj', 'attention.kProj', 'attention.vProj'],
  attentionOut: 'attention.outProj',
  mlpIn: ['mlp.fc0', 'mlp.fc1'],
  mlpOut: 'mlp.fc2',
};

class SparkBlock extends Module implements Block {
  readonly inputNorm: LayerNorm;
  readonly attention: SparkAttention;
  readonly postAttentionNorm: LayerNorm;
  readonly mlp: SparkMlp;
  readonly linears = SPARK_LINEARS;

  constructor(config: SparkConfig, shape: ModelShape) {
    super();
    this.inputNorm = new LayerNorm(config.hidden_size, config.layernorm_epsilon);
    this.attention = new SparkAttention(shape);
    this.postAttentionNorm = new LayerNorm(config.hidden_size, config.layernorm_epsilon);
    this.mlp = new SparkMlp(shape);
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
  readonly ends = { embedding: ['embedTokens'], head: ['finalNorm', 'embedTokens'] }; // tied
  override readonly slidingWindows: readonly number[];
  /** The published prediction masks every padding token; training does not. */
  override readonly maskedTokenId: number | undefined;

  constructor(config: SparkConfig) {
    super(sparkShape(config));
    this.slidingWindows = Array.from({ length: config.num_layers }, () => config.sparse_local_size);
    this.maskedTokenId = config.pad_token_id ?? undefined;
    this.embedTokens = new Embedding(config.vocab_size, config.hidden_size);
    this.layers = Array.from({ length: config.num_layers }, () => new SparkBlock(config, this.shape));
    this.finalNorm = new LayerNorm(config.hidden_size, config.layernorm_epsilon);
  }

  embed(inputIds: Tensor): Tensor {
    return this.embedTokens.forward(inputIds).to(this.computeDType); // [B, T, D]
  }

  head(hidden: Tensor): Tensor {
    return this.embedTokens.project(this.finalNorm.forward(hidden)); // [B, T, V]
  }

  override rotaryParameters(): RotaryParameters {
    return { base: ROPE_BASE };
  }
}
