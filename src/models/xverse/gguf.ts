/** XVERSE in llama.cpp: its architecture `xverse`. Where the base grows with the length, the context ends before it does. */
import { type GgufLayout, ggufScheme } from '../convert/gguf/gguf-layout.js';
import { llamaLayoutRows } from '../llama-parts/gguf-rows.js';
import { checkedRotation, type XverseConfig, xverseShape } from './config.js';

export function xverseGguf(config: XverseConfig): GgufLayout {
  return {
    architecture: 'xverse',
    contextLength: config.max_position_embeddings,
    normEpsilon: config.rms_norm_eps,
    ropeBase: checkedRotation(config).base,
    scheme: ggufScheme(llamaLayoutRows(xverseShape(config), 'neighbours'), { needsOutput: true }),
  };
}
