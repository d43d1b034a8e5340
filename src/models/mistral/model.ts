/** Mistral: a Llama without biases, each of whose layers may look at a sliding window only. */
import { RmsNorm } from '../../nn/index.js';
import { GroupedAttention } from '../llama-parts/grouped-attention.js';
import { layoutRotation, layoutShape, paddingIdOf } from '../llama-parts/layout-keys.js';
import { PreNormBlock } from '../llama-parts/pre-norm-block.js';
import { PreNormModel } from '../llama-parts/pre-norm-model.js';
import { SwigluMlp } from '../llama-parts/swiglu-mlp.js';
import type { MistralConfig } from './config.js';

export class MistralModel extends PreNormModel {
  override readonly slidingWindows: readonly (number | undefined)[];

  constructor(config: MistralConfig) {
    const shape = layoutShape(config);
    const norm = (): RmsNorm => new RmsNorm(shape.hiddenSize, config.rms_norm_eps, 'before-weight');
    super(shape, {
      rotation: layoutRotation(config),
      paddingId: paddingIdOf(config),
      block: () =>
        new PreNormBlock({
          inputNorm: norm(),
          attention: new GroupedAttention(shape),
          postAttentionNorm: norm(),
          mlp: new SwigluMlp(shape),
        }),
      finalNorm: norm(),
    });
    this.slidingWindows = this.layers.map(() => config.sliding_window ?? undefined);
  }
}
