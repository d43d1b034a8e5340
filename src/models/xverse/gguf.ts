/** XVERSE in llama.cpp: its architecture `xverse`. Where the base grows with the length, the context ends before it does. */
import { commonRows, type GgufLayout, ggufScheme, rotaryRow, sameRow } from '../convert/gguf/gguf-layout.js';
import { checkedRotation, type XverseConfig, xverseShape } from './config.js';
import { xverseNames } from './state-dict.js';

export function xverseGguf(config: XverseConfig): GgufLayout {
  const { numHeads, numKvHeads } = xverseShape(config);
  return {
    architecture: 'xverse',
    contextLength: config.max_position_embeddings,
    normEpsilon: config.rms_norm_eps,
    ropeBase: checkedRotation(config).base,
    scheme: ggufScheme(
      [
        ...commonRows(xverseNames),
        rotaryRow('blk.{i}.attn_q.weight', 'layers.{i}.attention.qProj.weight', numHeads),
        rotaryRow('blk.{i}.attn_k.weight', 'layers.{i}.attention.kProj.weight', numKvHeads),
        sameRow('blk.{i}.attn_v.weight', 'layers.{i}.attention.vProj.weight'),
        sameRow('blk.{i}.attn_output.weight', 'layers.{i}.attention.oProj.weight'),
        sameRow('blk.{i}.ffn_gate.weight', 'layers.{i}.mlp.gateProj.weight'),
        sameRow('blk.{i}.ffn_up.weight', 'layers.{i}.mlp.upProj.weight'),
        sameRow('blk.{i}.ffn_down.weight', 'layers.{i}.mlp.downProj.weight'),
      ],
      { needsOutput: true },
    ),
  };
}
