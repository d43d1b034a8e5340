/** Tensor parallelism: as MindSpore's files have it: whole heads by rows, what joins them again by columns. */
import { ShardingTable } from '../../checkpoint/index.js';

export const sparkSharding = new ShardingTable([
  ['embedTokens.weight', { axis: 0, mayBeWhole: true }],
  ['layers.{i}.attention.qProj.weight', { axis: 0 }],
  ['layers.{i}.attention.qProj.bias', { axis: 0 }],
  ['layers.{i}.attention.kProj.weight', { axis: 0 }],
  ['layers.{i}.attention.kProj.bias', { axis: 0 }],
  ['layers.{i}.attention.vProj.weight', { axis: 0 }],
  ['layers.{i}.attention.vProj.bias', { axis: 0 }],
  ['layers.{i}.attention.outProj.weight', { axis: 1 }],
  ['layers.{i}.mlp.fc0.weight', { axis: 0 }],
  ['layers.{i}.mlp.fc0.bias', { axis: 0 }],
  ['layers.{i}.mlp.fc1.weight', { axis: 0 }],
  ['layers.{i}.mlp.fc1.bias', { axis: 0 }],
  ['layers.{i}.mlp.fc2.weight', { axis: 1 }],
]);
