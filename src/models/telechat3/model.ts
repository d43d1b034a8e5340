/** TeleChat3: a Llama by its blocks; biases where the config says so. */
import { RmsNorm } from '../../nn/index.js';
import { GroupedAttention } from '../llama-parts/grouped-attention.js';
import { layoutRotation, layoutShape, paddingIdOf } from '../llama-parts/layout-keys.js';
import { PreNormBlock } from '../llama-parts/pre-norm-block.js';
import { PreNormModel } from '../llama-parts/pre-norm-model.js';
import { SwigluMlp } from '../llama-parts/swiglu-mlp.js';
import type { Telechat3Config } from './config.js';

export class Telechat3Model extends PreNormModel {
  constructor(config: Telechat3Config) {
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
