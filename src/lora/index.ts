export { applyLora, loraLayers, mergeLora } from './apply-lora.js';
export { initializeLora, learningRateFactors } from './initialize-lora.js';
export { LoraLinear } from './lora-linear.js';
export { type LoraOptions, loraScale } from './lora-options.js';
