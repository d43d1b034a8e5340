/** Qwen3 with a mixture of experts in the place of the MLP, in all layers or in some. */
import { MixtureOfExperts, RmsNorm } from '../../nn/index.js';
import { GroupedAttention } from '../llama-parts/grouped-attention.js';
import { layoutRotation, layoutShape, paddingIdOf } from '../llama-parts/layout-keys.js';
import { PreNormBlock } from '../llama-parts/pre-norm-block.js';
import { PreNormModel } from '../llama-parts/pre-norm-model.js';
import { SwigluMlp } from '../llama-parts/swiglu-mlp.js';
import type { ModelShape } from '../model-shape.js';
import { expertsShape, isSparseLayer, type Qwen3MoeConfig, windowOf } from './config.js';

export function qwen3MoeShape(config: Qwen3MoeConfig): ModelShape {
  return { ...layoutShape(config), experts: expertsShape(config) };
}

export class Qwen3MoeModel extends PreNormModel {
  override readonly slidingWindows: readonly (number | undefined)[];
  override readonly balanceLossFactor: number | undefined;

  constructor(config: Qwen3MoeConfig) {
    const shape = qwen3MoeShape(config);
    const { hiddenSize } = shape;
    const norm = (): RmsNorm => new RmsNorm(hiddenSize, config.rms_norm_eps, 'before-weight');
    const attentionBias = config.attention_bias ?? false;
    const { count: experts, perToken, intermediateSize } = expertsShape(config);
    const mixture = (): MixtureOfExperts =>
      new MixtureOfExperts({
        hiddenSize,
        intermediateSize,
        experts,
        perToken,
        normalise: config.norm_topk_prob,
      });
    super(shape, {
      rotation: layoutRotation(config),
      paddingId: paddingIdOf(config),
      block: (layer) =>
        new PreNormBlock({
          inputNorm: norm(),
          attention: new GroupedAttention(shape, {
            inputBias: attentionBias,
            outputBias: attentionBias,
            headNormEps: config.rms_norm_eps,
          }),
          postAttentionNorm: norm(),
          mlp: isSparseLayer(config, layer) ? mixture() : new SwigluMlp(shape),
        }),
      finalNorm: norm(),
    });
    const window = windowOf(config);
    this.slidingWindows = window === undefined ? [] : this.layers.map(() => window);
    this.balanceLossFactor = config.output_router_logits ? config.router_aux_loss_coef : undefined;
  }
}
