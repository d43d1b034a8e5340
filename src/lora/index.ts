export { AdapterMapping, type RowGroup } from './adapter-mapping.js';
export { applyLora, loraLayers, mergeLora, withoutAdapters } from './apply-lora.js';
export { initializeLora, learningRateFactors } from './initialize-lora.js';
export { type InputPart, LoraLinear } from './lora-linear.js';
export { type LoraOptions, loraScale } from './lora-options.js';
export { MultiEmbedding } from './multi-embedding.js';
export { type LoraUpdate, MultiLoraLinear } from './multi-lora-linear.js';
