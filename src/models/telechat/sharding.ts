/** Tensor parallelism: whole heads and whole channels by rows (key_value has [k | v] per head), what joins them again by columns. */
import { ShardingTable } from '../../checkpoint/index.js';

export const telechatSharding = new ShardingTable([
  ['embedTokens.weight', { axis: 0, mayBeWhole: true }],
  ['layers.{i}.attention.query.weight', { axis: 0 }],
  ['layers.{i}.attention.keyValue.weight', { axis: 0 }],
  ['layers.{i}.attention.dense.weight', { axis: 1 }],
  ['layers.{i}.mlp.gateProj.weight', { axis: 0 }],
  ['layers.{i}.mlp.upProj.weight', { axis: 0 }],
  ['layers.{i}.mlp.downProj.weight', { axis: 1 }],
  ['lmHead.weight', { axis: 0, mayBeWhole: true }],
]);
