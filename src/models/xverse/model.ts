/** XVERSE-13B (元象): the Llama layout, whose norms multiply by their weight before they round. No biases, no grouped heads. */
import { RmsNorm } from '../../nn/index.js';
import { GroupedAttention } from '../llama-parts/grouped-attention.js';
import { PreNormBlock } from '../llama-parts/pre-norm-block.js';
import { PreNormModel } from '../llama-parts/pre-norm-model.js';
import { SwigluMlp } from '../llama-parts/swiglu-mlp.js';
import { checkedRotation, type XverseConfig, xverseShape } from './config.js';

export class XverseModel extends PreNormModel {
  /** Its dynamic base follows the whole row, as TeleChat's. */
  override readonly rotatesTextsApart = false;

  constructor(config: XverseConfig) {
    const shape = xverseShape(config);
    const norm = (): RmsNorm => new RmsNorm(shape.hiddenSize, config.rms_norm_eps, 'after-weight');
    super(shape, {
      rotation: checkedRotation(config),
      block: () =>
        new PreNormBlock({
          inputNorm: norm(),
          attention: new GroupedAttention(shape),
          postAttentionNorm: norm(),
          mlp: new SwigluMlp(shape),
        }),
      finalNorm: norm(),
    });
  }
}
