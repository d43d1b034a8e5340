/** Qwen2 and Qwen2.5: a Llama with biases on queries, keys and values, some of whose layers may look at a window only. */
import { RmsNorm } from '../../nn/index.js';
import { GroupedAttention } from '../llama-parts/grouped-attention.js';
import { layerWindows } from '../llama-parts/layer-windows.js';
import { layoutRotation, layoutShape, paddingIdOf } from '../llama-parts/layout-keys.js';
import { PreNormBlock } from '../llama-parts/pre-norm-block.js';
import { PreNormModel } from '../llama-parts/pre-norm-model.js';
import { SwigluMlp } from '../llama-parts/swiglu-mlp.js';
import type { Qwen2Config } from './config.js';

export class Qwen2Model extends PreNormModel {
  override readonly slidingWindows: readonly (number | undefined)[];

  constructor(config: Qwen2Config) {
    const shape = layoutShape(config);
    const norm = (): RmsNorm => new RmsNorm(shape.hiddenSize, config.rms_norm_eps, 'before-weight');
    super(shape, {
      rotation: layoutRotation(config),
      paddingId: paddingIdOf(config),
      block: () =>
        new PreNormBlock({
          inputNorm: norm(),
          attention: new GroupedAttention(shape, { inputBias: true }),
          postAttentionNorm: norm(),
          mlp: new SwigluMlp(shape),
        }),
      finalNorm: norm(),
    });
    this.slidingWindows = layerWindows(config);
  }
}
