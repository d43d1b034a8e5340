/** Tensor parallelism: whole heads and whole channels by rows (key_value has [k | v] per head), what joins them again by columns. */
import { ShardingTable } from '../../checkpoint/index.js';

export const telechatSharding = new ShardingTable([
  ['embedTokens.weight', { dim: 0, mayBeWhole: true }],
  ['layers.{i}.attention.query.weight', { dim: 0 }],
  ['layers.{i}.attention.keyValue.weight', { dim: 0, isKeyValue: true }],
  ['layers.{i}.attention.dense.weight', { dim: 1 }],
  ['layers.{i}.mlp.gateProj.weight', { dim: 0 }],
  ['layers.{i}.mlp.upProj.weight', { dim: 0 }],
  ['layers.{i}.mlp.downProj.weight', { dim: 1 }],
  ['lmHead.weight', { dim: 0, mayBeWhole: true }],
]);
