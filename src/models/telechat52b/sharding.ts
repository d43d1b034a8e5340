/** Tensor parallelism: the weights are [in, out], so that columns take the place of rows; q, k, v (and gate, up) are cut each. */
import { ShardingTable } from '../../checkpoint/index.js';

export const telechat52bSharding = new ShardingTable(
  [
    ['embedTokens.weight', { axis: 0, mayBeWhole: true }],
    ['layers.{i}.attention.cAttn.weight', { axis: 1, blocks: 3 }],
    ['layers.{i}.attention.cProj.weight', { axis: 0 }],
    ['layers.{i}.mlp.cFc.weight', { axis: 1, blocks: 2 }],
    ['layers.{i}.mlp.cProj.weight', { axis: 0 }],
    ['lmHead.weight', { axis: 0, mayBeWhole: true }],
  ],
  'in-out',
);
