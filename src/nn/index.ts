export {
  type AttentionMask,
  type AttentionOptions,
  attention,
  type DocumentMask,
  documentMask,
} from './attention.js';
export { Embedding } from './embedding.js';
export { fusesAttention } from './fused-attention.js';
export { gatedActivation } from './gated-activation.js';
export { groupedAttention } from './grouped-attention.js';
export { GroupedLinear } from './grouped-linear.js';
export { type InitialPart, type InitOptions, type InitRule, initializeModule } from './init.js';
export {
  DenseLinear,
  type IntegerOperands,
  isLinear,
  type Linear,
  type LinearOptions,
  namedLinears,
} from './linear.js';
export { weightedCrossEntropySum } from './loss.js';
export { Experts, MixtureOfExperts, type MixtureOfExpertsOptions } from './mixture-of-experts.js';
export { Module, parameter } from './module.js';
export { accumulationDType, LayerNorm, RmsNorm } from './norm.js';
export { attendProjected, pagedPreNormBlock } from './paged-block.js';
export {
  ABSENT_BLOCK,
  BLOCK_SIZE,
  PagedKvCache,
  type PagedKvCacheOptions,
  type PagedLayer,
  type PagedRows,
  type PagedStep,
  pagedBlockBytes,
} from './paged-kv-cache.js';
export { projectTogether } from './project-together.js';
export { applyRotary, type Rotary, type RotaryOptions, rotaryTable } from './rotary.js';
export { Router, type RouterOptions, type Routing } from './router.js';
export { WrappedLinear } from './wrapped-linear.js';
