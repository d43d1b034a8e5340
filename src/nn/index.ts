export { type AttentionMask, attention } from './attention.js';
export { Embedding } from './embedding.js';
export { type InitOptions, type InitRule, initializeModule } from './init.js';
export { GrowingKvCache, type KeysAndValues, type KvCache, RingKvCache } from './kv-cache.js';
export { Linear, type LinearOptions } from './linear.js';
export { weightedCrossEntropySum } from './loss.js';
export { Module, parameter } from './module.js';
export { accumulationDType, LayerNorm, RmsNorm } from './norm.js';
export { applyRotary, type Rotary, type RotaryOptions, rotaryTable } from './rotary.js';
