/** Llama: pre-norm blocks with RMSNorm, rotary attention with grouped heads, a SwiGLU MLP; biases where the config says so. */
import { RmsNorm } from '../../nn/index.js';
import { GroupedAttention } from '../llama-parts/grouped-attention.js';
import { type LayoutConfig, layoutRotation, layoutShape, paddingIdOf } from '../llama-parts/layout-keys.js';
import { PreNormBlock } from '../llama-parts/pre-norm-block.js';
import { PreNormModel } from '../llama-parts/pre-norm-model.js';
import { SwigluMlp } from '../llama-parts/swiglu-mlp.js';

/** Of Llama, and of families that are one by their blocks. */
export interface LlamaModelConfig extends LayoutConfig {
  readonly rms_norm_eps: number;
  readonly attention_bias?: boolean | null | undefined;
  readonly mlp_bias?: boolean | null | undefined;
}

export class LlamaModel extends PreNormModel {
  constructor(config: LlamaModelConfig) {
    const shape = layoutShape(config);
    const norm = (): RmsNorm => new RmsNorm(shape.hiddenSize, config.rms_norm_eps, 'before-weight');
    const attentionBias = config.attention_bias ?? false;
    super(shape, {
      rotation: layoutRotation(config),
      paddingId: paddingIdOf(config),
      block: () =>
        new PreNormBlock({
          inputNorm: norm(),
          attention: new GroupedAttention(shape, { inputBias: attentionBias, outputBias: attentionBias }),
          postAttentionNorm: norm(),
          mlp: new SwigluMlp(shape, { bias: config.mlp_bias ?? false }),
        }),
      finalNorm: norm(),
    });
  }
}
