/**
 * TeleChat-52B (星辰): GPT-2's shape with RMSNorm, rotary attention, SwiGLU and muP factors, no biases. Weights lie as
 * Conv1D stores them, [in, out].
 *
 * Keys are cached unrotated and rotated together at every step, because the rotary base follows the total length:
 * when it changes, it changes for all of them.
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
  type RotaryParameters,
} from '../causal-lm.js';
import type { ModelShape } from '../model-shape.js';
import { ntkAlpha } from '../ntk.js';
import { type Telechat52bConfig, telechat52bShape } from './config.js';

/** Length up to which the rotary base stays. Fixed in the published code, whatever n_positions says. */
export const NTK_UNIT = 4096;

class Telechat52bAttention extends Module {
  readonly cAttn: Linear; // out: [q | k | v]
  readonly cProj: Linear;
  readonly headDim: number;

  constructor({ hiddenSize, numHeads, headDim }: ModelShape) {
    super();
    this.headDim = headDim;
    this.cAttn = new DenseLinear(hiddenSize, 3 * numHeads * headDim, { layout: 'in-out' });
    this.cProj = new DenseLinear(numHeads * headDim, hiddenSize, { layout: 'in-out' });
  }

  forward(x: Tensor, context: ForwardContext, layer: number): Tensor {
    const [batch = 0, length = 0] = x.shape;
    const projected = this.cAttn.forward(x); // [B, T, 3 H E]
    const width = projected.size(-1) / 3;
    const heads = (index: number): Tensor =>
      projected
        .narrow(2, index * width, width)
        .view([batch, length, -1, this.headDim])
        .transpose(1, 2);
    const q = applyRotary(heads(0), context.rotary); // [B, H, T, E]
    const mixed = context.attend(layer, q, heads(1), heads(2)); // [B, H, T, E]; keys are turned there
    return this.cProj.forward(mixed.transpose(1, 2).reshape([batch, length, -1]));
  }
}

class Telechat52bMlp extends Module {
  readonly cFc: Linear; // out: [gate | up]
  readonly cProj: Linear;

  constructor({ hiddenSize, intermediateSize }: ModelShape) {
    super();
    this.cFc = new DenseLinear(hiddenSize, 2 * intermediateSize, { layout: 'in-out' });
    this.cProj = new DenseLinear(intermediateSize, hiddenSize, { layout: 'in-out' });
  }

  forward(x: Tensor): Tensor {
    const gateAndUp = this.cFc.forward(x); // [B, T, 2 F]
    const intermediateSize = gateAndUp.size(-1) / 2;
    const gate = gateAndUp.narrow(-1, 0, intermediateSize);
    const up = gateAndUp.narrow(-1, intermediateSize, intermediateSize);
    return this.cProj.forward(gatedActivation(gate, up, 'silu'));
  }
}

const TELECHAT_52B_LINEARS: BlockLinears = {
  attentionIn: ['attention.cAttn'],
  attentionOut: 'attention.cProj',
  mlpIn: ['mlp.cFc'],
  mlpOut: 'mlp.cProj',
};

class Telechat52bBlock extends Module implements Block {
  readonly inputNorm: RmsNorm;
  readonly attention: Telechat52bAttention;
  readonly postAttentionNorm: RmsNorm;
  readonly mlp: Telechat52bMlp;
  readonly linears = TELECHAT_52B_LINEARS;

  constructor(config: Telechat52bConfig, shape: ModelShape) {
    super();
    this.inputNorm = new RmsNorm(config.n_embd, config.layer_norm_epsilon, 'before-weight');
    this.attention = new Telechat52bAttention(shape);
    this.postAttentionNorm = new RmsNorm(config.n_embd, config.layer_norm_epsilon, 'before-weight');
    this.mlp = new Telechat52bMlp(shape);
  }

  forward(hidden: Tensor, context: ForwardContext, layer: number): Tensor {
    const attended = hidden.add(this.attention.forward(this.inputNorm.forward(hidden), context, layer));
    return attended.add(this.mlp.forward(this.postAttentionNorm.forward(attended)));
  }
}

export class Telechat52bModel extends CausalLm {
  override readonly cachesUnrotatedKeys = true;
  readonly embedTokens: Embedding;
  readonly layers: readonly Telechat52bBlock[];
  readonly finalNorm: RmsNorm;
  readonly lmHead: Linear;
  readonly ends = { embedding: ['embedTokens'], head: ['finalNorm', 'lmHead'] };
  readonly #config: Telechat52bConfig;

  constructor(config: Telechat52bConfig) {
    super(telechat52bShape(config));
    this.#config = config;
    this.embedTokens = new Embedding(config.vocab_size, config.n_embd);
    this.layers = Array.from({ length: config.n_layer }, () => new Telechat52bBlock(config, this.shape));
    this.finalNorm = new RmsNorm(config.n_embd, config.layer_norm_epsilon, 'before-weight');
    this.lmHead = new DenseLinear(config.n_embd, config.vocab_size);
  }

  embed(inputIds: Tensor): Tensor {
    const embedded = this.embedTokens.forward(inputIds).to(this.computeDType); // [B, T, D]
    return scaled(embedded, this.#config.use_mup ? this.#config.input_mult : 1);
  }

  head(hidden: Tensor): Tensor {
    const logits = this.lmHead.forward(this.finalNorm.forward(hidden)); // [B, T, V]
    const { use_mup: useMup, output_mult: outputMult, mup_scale_factor: widthFactor } = this.#config;
    return scaled(logits, useMup ? outputMult / widthFactor : 1);
  }

  override rotaryParameters(length: number): RotaryParameters {
    return { base: this.#config.rotary_theta * ntkAlpha(length, NTK_UNIT) };
  }
}

/** x * factor without a copy where the factor is 1, as published. */
function scaled(x: Tensor, factor: number): Tensor {
  return factor === 1 ? x : x.mul(factor);
}
