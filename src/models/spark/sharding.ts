/** Tensor parallelism: as MindSpore's files have it: whole heads by rows, what joins them again by columns. */
import { ShardingTable } from '../../checkpoint/index.js';

export const sparkSharding = new ShardingTable([
  ['embedTokens.weight', { dim: 0, mayBeWhole: true }],
  ['layers.{i}.attention.qProj.weight', { dim: 0 }],
  ['layers.{i}.attention.qProj.bias', { dim: 0 }],
  ['layers.{i}.attention.kProj.weight', { dim: 0, isKeyValue: true }],
  ['layers.{i}.attention.kProj.bias', { dim: 0, isKeyValue: true }],
  ['layers.{i}.attention.vProj.weight', { dim: 0, isKeyValue: true }],
  ['layers.{i}.attention.vProj.bias', { dim: 0, isKeyValue: true }],
  ['layers.{i}.attention.outProj.weight', { dim: 1 }],
  ['layers.{i}.mlp.fc0.weight', { dim: 0 }],
  ['layers.{i}.mlp.fc0.bias', { dim: 0 }],
  ['layers.{i}.mlp.fc1.weight', { dim: 0 }],
  ['layers.{i}.mlp.fc1.bias', { dim: 0 }],
  ['layers.{i}.mlp.fc2.weight', { dim: 1 }],
]);
