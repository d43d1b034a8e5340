/**
 * TeleChat-1B, 7B, 12B and TeleChat2 in llama.cpp: its architecture `llama`, which has the two biases as well. Beyond the length of
 * training TeleChat changes its rotary angles, which llama.cpp does not: the context ends there.
 */
import { sliceRows, stackRows, type TensorView } from '../../formats/index.js';
import {
  commonRows,
  type GgufLayout,
  type GgufRow,
  ggufScheme,
  rotaryRow,
  sameRow,
} from '../convert/gguf/gguf-layout.js';
import { pairRows, unpairRows } from '../convert/gguf/gguf-rows.js';
import { type TelechatConfig, telechatShape } from './config.js';
import { telechatRopeBase } from './model.js';
import { telechatNames } from './state-dict.js';

export function telechatGguf(config: TelechatConfig): GgufLayout {
  const { numHeads, numKvHeads } = telechatShape(config);
  return {
    architecture: 'llama',
    contextLength: config.training_seqlen,
    normEpsilon: config.layer_norm_epsilon,
    ropeBase: telechatRopeBase(config, config.training_seqlen),
    scheme: ggufScheme([
      ...commonRows(telechatNames),
      rotaryRow('blk.{i}.attn_q.weight', 'layers.{i}.attention.query.weight', numHeads),
      keyValueRow(numKvHeads, {
        names: ['blk.{i}.attn_k.weight', 'blk.{i}.attn_v.weight'],
        pair: (keys) => pairRows(keys, numKvHeads),
        unpair: (keys) => unpairRows(keys, numKvHeads),
      }),
      sameRow('blk.{i}.attn_output.weight', 'layers.{i}.attention.dense.weight'),
      sameRow('blk.{i}.attn_output.bias', 'layers.{i}.attention.dense.bias'),
      sameRow('blk.{i}.ffn_gate.weight', 'layers.{i}.mlp.gateProj.weight'),
      sameRow('blk.{i}.ffn_up.weight', 'layers.{i}.mlp.upProj.weight'),
      sameRow('blk.{i}.ffn_down.weight', 'layers.{i}.mlp.downProj.weight'),
      sameRow('blk.{i}.ffn_down.bias', 'layers.{i}.mlp.downProj.bias'),
    ]),
  };
}

interface KeyValueNames {
  /** Of keys and values. */
  readonly names: readonly [keys: string, values: string];
  /** Order of the rows of keys there. Default: as published. */
  readonly pair?: (keys: TensorView) => TensorView;
  readonly unpair?: (keys: TensorView) => TensorView;
}

const asPublished = (keys: TensorView): TensorView => keys;

/** [K * 2 * E, D]: keys and values of each head in turns. */
export function keyValueRow(
  heads: number,
  { names, pair = asPublished, unpair = asPublished }: KeyValueNames,
): GgufRow {
  const block = (view: TensorView, index: number, blocks: number): TensorView => {
    const rows = (view.shape[0] ?? 0) / blocks;
    return sliceRows(view, index * rows, (index + 1) * rows);
  };
  const half = (view: TensorView, offset: 0 | 1): TensorView =>
    stackRows(Array.from({ length: heads }, (_, head) => block(view, 2 * head + offset, 2 * heads)));
  return {
    path: 'layers.{i}.attention.keyValue.weight',
    names,
    split: (view) => [pair(half(view, 0)), half(view, 1)],
    join([keys, values]) {
      if (keys === undefined || values === undefined) throw new TypeError('keys and values');
      const straight = unpair(keys);
      return stackRows(
        Array.from({ length: heads }, (_, head) => [
          block(straight, head, heads),
          block(values, head, heads),
        ]).flat(),
      );
    },
  };
}
