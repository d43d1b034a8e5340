export { applyLora, loraLayers, mergeLora } from './apply-lora.js';
export { initializeLora, LoraLinear, type LoraOptions } from './lora-linear.js';
