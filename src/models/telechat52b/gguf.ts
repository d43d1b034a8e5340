/**
 * TeleChat-52B in llama.cpp: its architecture `llama`. Conv1D's matrices are transposed, q|k|v and gate|up taken apart, and
 * muP's factors multiplied into the embedding and the output projection. The context ends where the rotary base grows.
 */
import { sliceColumns, stackRows, type TensorView, transpose } from '../../formats/index.js';
import { commonRows, type GgufLayout, type GgufRow, ggufScheme } from '../convert/gguf/gguf-layout.js';
import { pairOrder, unpairRows } from '../convert/gguf/gguf-rows.js';
import type { Telechat52bConfig } from './config.js';
import { NTK_UNIT } from './model.js';
import { telechat52bNames } from './state-dict.js';

export function telechat52bGguf(config: Telechat52bConfig): GgufLayout {
  const { n_head: heads } = config;
  const names = (...parts: readonly string[]): string[] => parts.map((part) => `blk.{i}.${part}.weight`);
  return {
    architecture: 'llama',
    contextLength: NTK_UNIT,
    normEpsilon: config.layer_norm_epsilon,
    ropeBase: config.rotary_theta,
    scheme: ggufScheme(
      [
        ...commonRows(telechat52bNames),
        fusedRow('attention.cAttn', names('attn_q', 'attn_k', 'attn_v'), { heads, rotary: 2 }),
        fusedRow('attention.cProj', names('attn_output')),
        fusedRow('mlp.cFc', names('ffn_gate', 'ffn_up')),
        fusedRow('mlp.cProj', names('ffn_down')),
      ],
      { factors: mupFactors(config) },
    ),
  };
}

/** What a model without muP's keys has to hold multiplied. */
export function mupFactors(config: Telechat52bConfig): ReadonlyMap<string, number> {
  const { use_mup: useMup, input_mult: input, output_mult: output, mup_scale_factor: width } = config;
  return new Map([
    ['embedTokens.weight', useMup ? input : 1],
    ['lmHead.weight', useMup ? output / width : 1],
  ]);
}

/** [D, N * O], blocks side by side -> N times [O, D]; the first `rotary` of them are queries and keys, in pairs of rows. */
export function fusedRow(
  path: string,
  names: readonly string[],
  { heads, rotary }: { readonly heads: number; readonly rotary: number } = { heads: 1, rotary: 0 },
): GgufRow {
  return {
    path: `layers.{i}.${path}.weight`,
    names,
    split(view) {
      const size = (view.shape[1] ?? 0) / names.length;
      return names.map((_, index) => {
        const block = sliceColumns(view, index * size, (index + 1) * size);
        return index < rotary ? transpose(block, pairOrder(size, heads)) : transpose(block);
      });
    },
    join: (views: readonly TensorView[]) =>
      transpose(stackRows(views.map((view, index) => (index < rotary ? unpairRows(view, heads) : view)))),
  };
}
