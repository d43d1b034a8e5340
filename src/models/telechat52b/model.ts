/**
 * TeleChat-52B (星辰): GPT-2's shape with RMSNorm, rotary attention, SwiGLU and muP factors, no biases. Weights lie as
 * Conv1D stores them, [in, out].
 *
 * Keys are cached unrotated and turned together at every step, because the rotary base follows the total length:
 * when it changes, it changes for all of them.
 *
 * Shapes: B batch, T new tokens, S tokens to attend to, D hidden, H heads, E head_dim, F intermediate, V vocabulary.
 */
import { applyRotary, Embedding, gatedActivation, Linear, Module, RmsNorm } from '../../nn/index.js';
import type { Tensor } from '../../tensor/index.js';
import { type Block, CausalLm, type ForwardContext, type RotaryRule } from '../causal-lm.js';
import { ntkAlpha } from '../ntk.js';
import type { Telechat52bConfig } from './config.js';

/** Length up to which the rotary base stays. Fixed in the published code, whatever n_positions says. */
export const NTK_UNIT = 4096;

class Telechat52bAttention extends Module {
  readonly cAttn: Linear; // out: [q | k | v]
  readonly cProj: Linear;
  readonly numHeads: number;

  constructor({ n_embd: hiddenSize, n_head: numHeads }: Telechat52bConfig) {
    super();
    this.numHeads = numHeads;
    this.cAttn = new Linear(hiddenSize, 3 * hiddenSize, { layout: 'in-out' });
    this.cProj = new Linear(hiddenSize, hiddenSize, { layout: 'in-out' });
  }

  forward(x: Tensor, context: ForwardContext, layer: number): Tensor {
    const [batch = 0, length = 0, hiddenSize = 0] = x.shape;
    const projected = this.cAttn.forward(x); // [B, T, 3 D]
    const heads = (index: number): Tensor =>
      projected
        .narrow(2, index * hiddenSize, hiddenSize)
        .view([batch, length, this.numHeads, -1])
        .transpose(1, 2);
    const q = applyRotary(heads(0), context.rotary); // [B, H, T, E]
    const mixed = context.attend(layer, q, heads(1), heads(2)); // [B, H, T, E]; keys are turned there
    return this.cProj.forward(mixed.transpose(1, 2).reshape([batch, length, hiddenSize]));
  }
}

class Telechat52bMlp extends Module {
  readonly cFc: Linear; // out: [gate | up]
  readonly cProj: Linear;

  constructor({ n_embd: hiddenSize, n_inner: intermediateSize }: Telechat52bConfig) {
    super();
    this.cFc = new Linear(hiddenSize, 2 * intermediateSize, { layout: 'in-out' });
    this.cProj = new Linear(intermediateSize, hiddenSize, { layout: 'in-out' });
  }

  forward(x: Tensor): Tensor {
    const gateAndUp = this.cFc.forward(x); // [B, T, 2 F]
    const intermediateSize = gateAndUp.size(-1) / 2;
    const gate = gateAndUp.narrow(-1, 0, intermediateSize);
    const up = gateAndUp.narrow(-1, intermediateSize, intermediateSize);
    return this.cProj.forward(gatedActivation(gate, up, 'silu'));
  }
}

class Telechat52bBlock extends Module implements Block {
  readonly inputNorm: RmsNorm;
  readonly attention: Telechat52bAttention;
  readonly postAttentionNorm: RmsNorm;
  readonly mlp: Telechat52bMlp;

  constructor(config: Telechat52bConfig) {
    super();
    this.inputNorm = new RmsNorm(config.n_embd, config.layer_norm_epsilon, 'before-weight');
    this.attention = new Telechat52bAttention(config);
    this.postAttentionNorm = new RmsNorm(config.n_embd, config.layer_norm_epsilon, 'before-weight');
    this.mlp = new Telechat52bMlp(config);
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
  readonly #config: Telechat52bConfig;

  constructor(config: Telechat52bConfig) {
    super();
    this.#config = config;
    this.embedTokens = new Embedding(config.vocab_size, config.n_embd);
    this.layers = Array.from({ length: config.n_layer }, () => new Telechat52bBlock(config));
    this.finalNorm = new RmsNorm(config.n_embd, config.layer_norm_epsilon, 'before-weight');
    this.lmHead = new Linear(config.n_embd, config.vocab_size);
  }

  get numHeads(): number {
    return this.#config.n_head;
  }

  get headDim(): number {
    return this.#config.n_embd / this.#config.n_head;
  }

  get vocabSize(): number {
    return this.#config.vocab_size;
  }

  /** No bound: the rotary base follows the length (published claim: twice n_positions). */
  get maxPositions(): undefined {
    return undefined;
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

  override rotaryRule(length: number): RotaryRule {
    return { base: this.#config.rotary_theta * ntkAlpha(length, NTK_UNIT) };
  }
}

/** x * factor without a copy where the factor is 1, as published. */
function scaled(x: Tensor, factor: number): Tensor {
  return factor === 1 ? x : x.mul(factor);
}
