export { type ConversionResult, convertModel } from './convert-model.js';
export type { ConvertOptions } from './convert-options.js';
export { type ConversionPlan, planConversion } from './plan-conversion.js';
