/** As the Llama layout, and of the experts a part each, whole: every rank has the router. */
import { llamaLayoutSharding } from '../llama-parts/sharding.js';

export const qwen3MoeSharding = llamaLayoutSharding.with([
  ['layers.{i}.mlp.experts.gateProj.weight', { dim: 0 }],
  ['layers.{i}.mlp.experts.upProj.weight', { dim: 0 }],
  ['layers.{i}.mlp.experts.downProj.weight', { dim: 0 }],
]);
