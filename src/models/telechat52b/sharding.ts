/** Tensor parallelism: the weights are [in, out], so that columns take the place of rows; q, k, v (and gate, up) are cut each. */
import { ShardingTable } from '../../checkpoint/index.js';

export const telechat52bSharding = new ShardingTable(
  [
    ['embedTokens.weight', { dim: 0, mayBeWhole: true }],
    ['layers.{i}.attention.cAttn.weight', { dim: 1, blocks: 3 }],
    ['layers.{i}.attention.cProj.weight', { dim: 0 }],
    ['layers.{i}.mlp.cFc.weight', { dim: 1, blocks: 2 }],
    ['layers.{i}.mlp.cProj.weight', { dim: 0 }],
    ['lmHead.weight', { dim: 0, mayBeWhole: true }],
  ],
  'in-out',
);
