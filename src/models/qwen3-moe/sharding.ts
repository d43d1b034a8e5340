/**
 * As the Llama layout. Of the experts each rank has some, whole, in files; in training a part of each. Every rank has the router.
 */
import { llamaLayoutSharding } from '../llama-parts/sharding.js';

export const qwen3MoeSharding = llamaLayoutSharding.with([
  ['layers.{i}.mlp.experts.gateProj.weight', { dim: 0, trainedDim: 1 }],
  ['layers.{i}.mlp.experts.upProj.weight', { dim: 0, trainedDim: 1 }],
  ['layers.{i}.mlp.experts.downProj.weight', { dim: 0, trainedDim: 2 }],
]);
