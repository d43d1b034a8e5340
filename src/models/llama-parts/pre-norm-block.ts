/** Llama's block: x += attention(norm(x)); x += mlp(norm(x)). The MLP may be a mixture of experts. */
import { MixtureOfExperts, Module, pagedPreNormBlock, type RmsNorm } from '../../nn/index.js';
import type { Tensor } from '../../tensor/index.js';
import type { Block, BlockLinears, ForwardContext } from '../causal-lm.js';
import { GroupedAttention } from './grouped-attention.js';
import { SwigluMlp } from './swiglu-mlp.js';

const LINEARS: BlockLinears = {
  attentionIn: ['attention.qProj', 'attention.kProj', 'attention.vProj'],
  attentionOut: 'attention.oProj',
  mlpIn: ['mlp.gateProj', 'mlp.upProj'],
  mlpOut: 'mlp.downProj',
};

const LINEARS_OF_ATTENTION: BlockLinears = { ...LINEARS, mlpIn: [], mlpOut: undefined };

export interface PreNormBlockParts {
  readonly inputNorm: RmsNorm;
  readonly attention: GroupedAttention;
  readonly postAttentionNorm: RmsNorm;
  readonly mlp: SwigluMlp | MixtureOfExperts;
}

export class PreNormBlock extends Module implements Block {
  readonly inputNorm: RmsNorm;
  readonly attention: GroupedAttention;
  readonly postAttentionNorm: RmsNorm;
  readonly mlp: SwigluMlp | MixtureOfExperts;
  readonly linears: BlockLinears;

  constructor({ inputNorm, attention, postAttentionNorm, mlp }: PreNormBlockParts) {
    super();
    this.inputNorm = inputNorm;
    this.attention = attention;
    this.postAttentionNorm = postAttentionNorm;
    this.mlp = mlp;
    this.linears = mlp instanceof MixtureOfExperts ? LINEARS_OF_ATTENTION : LINEARS;
  }

  /** @param hidden [B, T, D] @returns [B, T, D] */
  forward(hidden: Tensor, context: ForwardContext, layer: number): Tensor {
    const whole = this.#forwardPaged(hidden, context, layer);
    if (whole !== undefined) return whole;
    const attended = hidden.add(this.attention.forward(this.inputNorm.forward(hidden), context, layer));
    return attended.add(this.mlp.forward(this.postAttentionNorm.forward(attended), context.observeRouting));
  }

  /** In one call, where the context has pages and all parts are plain. */
  #forwardPaged(hidden: Tensor, context: ForwardContext, layer: number): Tensor | undefined {
    const { inputNorm, postAttentionNorm, attention, mlp } = this;
    // Where ranks share the model, others stand around both.
    const arePlain = attention instanceof GroupedAttention && mlp instanceof SwigluMlp;
    if (context.pagedLayer === undefined || !arePlain || attention.hasHeadNorms) return undefined;
    const { qProj, kProj, vProj, oProj } = attention;
    const { gateProj, upProj, downProj } = mlp;
    const linears = [qProj, kProj, vProj, oProj, gateProj, upProj, downProj];
    return pagedPreNormBlock(hidden, { inputNorm, postAttentionNorm, linears }, context.pagedLayer(layer));
  }
}
