/** llama.cpp's `qwen3moe`. */
import {
  type GgufLayout,
  type GgufRefusal,
  type GgufRow,
  ggufScheme,
  sameRow,
} from '../convert/gguf/gguf-layout.js';
import { llamaLayoutGguf } from '../llama-parts/gguf-layout.js';
import { llamaLayoutRows } from '../llama-parts/gguf-rows.js';
import { expertsShape, isSparseLayer, type Qwen3MoeConfig, windowOf } from './config.js';
import { qwen3MoeShape } from './model.js';

const ROUTER_AND_EXPERTS: readonly GgufRow[] = [
  sameRow('blk.{i}.ffn_gate_inp.weight', 'layers.{i}.mlp.router.weight'),
  sameRow('blk.{i}.ffn_gate_exps.weight', 'layers.{i}.mlp.experts.gateProj.weight'),
  sameRow('blk.{i}.ffn_up_exps.weight', 'layers.{i}.mlp.experts.upProj.weight'),
  sameRow('blk.{i}.ffn_down_exps.weight', 'layers.{i}.mlp.experts.downProj.weight'),
];

export function qwen3MoeGguf(config: Qwen3MoeConfig): GgufLayout | GgufRefusal {
  const dense = Array.from({ length: config.num_hidden_layers }, (_, layer) => layer).find(
    (layer) => !isSparseLayer(config, layer),
  );
  if (dense !== undefined)
    return {
      unsupported: `llama.cpp's qwen3moe has experts in every layer, and layer ${dense} has none (mlp_only_layers, decoder_sparse_step)`,
    };
  if (!config.norm_topk_prob)
    return {
      unsupported:
        "llama.cpp's qwen3moe lets the weights of a token's experts add up to 1, and this model does not (norm_topk_prob)",
    };
  if (config.attention_bias === true)
    return { unsupported: "llama.cpp's qwen3moe has no biases in its attention" };
  const layout = llamaLayoutGguf(config, { architecture: 'qwen3moe', window: windowOf(config) });
  if ('unsupported' in layout) return layout;
  return {
    ...layout,
    experts: expertsShape(config),
    scheme: ggufScheme([...llamaLayoutRows(qwen3MoeShape(config), 'halves'), ...ROUTER_AND_EXPERTS], {
      float32: ['layers.{i}.mlp.router.weight'],
    }),
  };
}
