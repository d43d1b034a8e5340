/** The Llama layout in a GGUF: names, and the rows of queries and keys as llama.cpp's architecture wants them. */
import { COMMON_ROWS, type GgufRow, rotaryRow, sameRow } from '../convert/gguf/gguf-layout.js';
import type { ModelShape } from '../model-shape.js';

/**
 * Biases and head norms are there where the model has them.
 * @param rotation how the architecture turns heads: neighbours (`llama`, `xverse`), or halves as published (`qwen2`, `qwen3`)
 */
export function llamaLayoutRows(
  { numHeads, numKvHeads }: ModelShape,
  rotation: 'neighbours' | 'halves',
): readonly GgufRow[] {
  const turned = (name: string, own: string, heads: number): GgufRow =>
    rotation === 'neighbours' ? rotaryRow(name, own, heads) : sameRow(name, own);
  return [
    ...COMMON_ROWS,
    ...['weight', 'bias'].flatMap((part) => [
      turned(`blk.{i}.attn_q.${part}`, `layers.{i}.attention.qProj.${part}`, numHeads),
      turned(`blk.{i}.attn_k.${part}`, `layers.{i}.attention.kProj.${part}`, numKvHeads),
      sameRow(`blk.{i}.attn_v.${part}`, `layers.{i}.attention.vProj.${part}`),
      sameRow(`blk.{i}.attn_output.${part}`, `layers.{i}.attention.oProj.${part}`),
      sameRow(`blk.{i}.ffn_gate.${part}`, `layers.{i}.mlp.gateProj.${part}`),
      sameRow(`blk.{i}.ffn_up.${part}`, `layers.{i}.mlp.upProj.${part}`),
      sameRow(`blk.{i}.ffn_down.${part}`, `layers.{i}.mlp.downProj.${part}`),
    ]),
    sameRow('blk.{i}.attn_q_norm.weight', 'layers.{i}.attention.qNorm.weight'),
    sameRow('blk.{i}.attn_k_norm.weight', 'layers.{i}.attention.kNorm.weight'),
  ];
}
