/** Tensor parallelism: whole heads and whole channels by rows, what joins them again by columns. */
import { ShardingTable } from '../../checkpoint/index.js';

export const xverseSharding = new ShardingTable([
  ['embedTokens.weight', { axis: 0, mayBeWhole: true }],
  ['layers.{i}.attention.qProj.weight', { axis: 0 }],
  ['layers.{i}.attention.kProj.weight', { axis: 0 }],
  ['layers.{i}.attention.vProj.weight', { axis: 0 }],
  ['layers.{i}.attention.oProj.weight', { axis: 1 }],
  ['layers.{i}.mlp.gateProj.weight', { axis: 0 }],
  ['layers.{i}.mlp.upProj.weight', { axis: 0 }],
  ['layers.{i}.mlp.downProj.weight', { axis: 1 }],
  ['lmHead.weight', { axis: 0, mayBeWhole: true }],
]);
