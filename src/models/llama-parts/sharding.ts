/** Tensor parallelism: whole heads and whole channels by rows, what joins them again by columns. */
import { ShardingTable } from '../../checkpoint/index.js';

export const llamaLayoutSharding = new ShardingTable([
  ['embedTokens.weight', { dim: 0, mayBeWhole: true }],
  ['layers.{i}.attention.qProj.weight', { dim: 0 }],
  ['layers.{i}.attention.qProj.bias', { dim: 0 }],
  ['layers.{i}.attention.kProj.weight', { dim: 0, isKeyValue: true }],
  ['layers.{i}.attention.kProj.bias', { dim: 0, isKeyValue: true }],
  ['layers.{i}.attention.vProj.weight', { dim: 0, isKeyValue: true }],
  ['layers.{i}.attention.vProj.bias', { dim: 0, isKeyValue: true }],
  ['layers.{i}.attention.oProj.weight', { dim: 1 }],
  ['layers.{i}.mlp.gateProj.weight', { dim: 0 }],
  ['layers.{i}.mlp.gateProj.bias', { dim: 0 }],
  ['layers.{i}.mlp.upProj.weight', { dim: 0 }],
  ['layers.{i}.mlp.upProj.bias', { dim: 0 }],
  ['layers.{i}.mlp.downProj.weight', { dim: 1 }],
  ['lmHead.weight', { dim: 0, mayBeWhole: true }],
]);
