/** XVERSE in llama.cpp: its architecture `xverse`. */
import { COMMON_ROWS, type GgufLayout, ggufScheme, rotaryRow, sameRow } from '../convert/gguf/gguf-layout.js';
import type { XverseConfig } from './config.js';

export function xverseGguf(config: XverseConfig): GgufLayout {
  const heads = config.num_attention_heads;
  return {
    architecture: 'xverse',
    contextLength: config.max_position_embeddings,
    embeddingLength: config.hidden_size,
    blockCount: config.num_hidden_layers,
    feedForwardLength: config.intermediate_size,
    headCount: heads,
    normEpsilon: config.rms_norm_eps,
    ropeBase: config.rope_theta,
    scheme: ggufScheme(
      [
        ...COMMON_ROWS,
        rotaryRow('blk.{i}.attn_q.weight', 'layers.{i}.attention.qProj.weight', heads),
        rotaryRow('blk.{i}.attn_k.weight', 'layers.{i}.attention.kProj.weight', heads),
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
